import { useQuery } from "@tanstack/react-query";
import { ask, client, type Schema } from "../../../api/client";
import { useMay } from "../../../api/session";
import { partName, signatureName } from "../../../bundle/kind";

export type Upload = Schema<"Upload">;

// useUploads are one's own uploads.
export function useUploads() {
  const may = useMay("uploads.write");
  return useQuery({
    queryKey: ["uploads", "list"],
    queryFn: async () => {
      const all: Upload[] = [];
      for (let after: string | undefined; ; ) {
        const page = await ask(client.GET("/api/v1/uploads", { params: { query: { limit: 1000, after } } }));
        all.push(...(page.uploads ?? []));
        after = page.next;
        if (!after) return all;
      }
    },
    enabled: may,
  });
}

export const isSignature = (u: Upload) => u.kind === "signature" || signatureName.test(u.name);

// Arrived are uploads that belong together: one, the parts of a file that was cut, or
// the regions of a file that are sent at the same time.
export type Arrived = {
  key: string;
  name: string;
  kind: string;
  state: Upload["state"];
  at: number; // bytes that are here
  size: number;
  expires: string;
  uploads: Upload[];
  signatures: Upload[]; // what is named like its signatures
};

// arrivedOf puts uploads together. Those that have landed, or are gone, are left out.
export function arrivedOf(all: Upload[]): Arrived[] {
  const sets = new Map<string, Upload[]>();
  for (const u of all) {
    if (u.state === "consumed" || u.state === "gone") continue;
    const key = keyOf(u);
    sets.set(key, [...(sets.get(key) ?? []), u]);
  }
  const arrived = [...sets].map(([key, uploads]) => together(key, uploads));
  for (const a of arrived) {
    if (!a.uploads.every(isSignature)) a.signatures = all.filter((u) => u.state === "whole" && !u.job && signatureName.exec(u.name)?.[1] === a.name);
  }
  const beside = new Set(arrived.flatMap((a) => a.signatures));
  return arrived.filter((a) => !a.uploads.every((u) => beside.has(u))).sort((a, b) => a.name.localeCompare(b.name));
}

// keyOf is the same for uploads that belong together. Parts that failed stand alone.
function keyOf(u: Upload): string {
  const base = partName.exec(u.name)?.[1];
  if (u.part) return `region ${u.part.group}`;
  return u.kind === "part" && base && u.state === "whole" ? `cut ${base}` : u.id;
}

function together(key: string, uploads: Upload[]): Arrived {
  const sorted = [...uploads].sort((a, b) => a.name.localeCompare(b.name));
  const first = sorted[0];
  const sum = (of: (u: Upload) => number) => sorted.reduce((n, u) => n + of(u), 0);
  const cut = key.startsWith("cut ");
  return {
    key,
    name: cut ? key.slice(4) : (first?.name ?? ""),
    kind: cut ? "bundle" : (first?.kind ?? ""),
    state: first?.state ?? "gone",
    at: sum((u) => (u.state === "whole" ? u.size : u.offset)),
    size: first?.part?.total ?? sum((u) => u.size),
    expires: first?.expires ?? "",
    uploads: sorted,
    signatures: [],
  };
}
