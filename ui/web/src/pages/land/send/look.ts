import { useQuery } from "@tanstack/react-query";
import { inspectOutline } from "../../../bundle/inspect";
import { readOutline } from "../../../bundle/outline";
import { Pieces } from "../../../bundle/pieces";
import type { Cargo } from "../../../bundle/sort";

// useLook looks into a bundle that is still on this computer: what it says of itself,
// and what the appliance says of that.
export function useLook(cargo: Cargo) {
  const file = new Pieces(cargo.files);
  const key = [...cargo.files, ...cargo.signatures].map((f) => [f.name, f.size, f.lastModified]);
  const readable = cargo.kind === "bundle" && cargo.missing.length === 0;
  const outline = useQuery({ queryKey: ["outline", key], queryFn: () => readOutline(file), enabled: readable, staleTime: Infinity, retry: false });
  const inspection = useQuery({
    queryKey: ["bundles", "outline", key],
    queryFn: ({ signal }) => (outline.data ? inspectOutline(file, outline.data, cargo.signatures, signal) : null),
    enabled: !!outline.data,
    staleTime: 60_000,
  });
  return { outline, inspection };
}
