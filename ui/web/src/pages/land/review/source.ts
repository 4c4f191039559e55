import { useSearchParams } from "react-router";
import type { Schema } from "../../../api/client";

export type Source = Schema<"LandingSource">;

// reviewPath is where something is looked at before it lands.
export function reviewPath(source: Source): string {
  const query = new URLSearchParams();
  if (source.upload) query.set("upload", source.upload);
  if (source.drive) query.set("drive", source.drive);
  if (source.file) query.set("file", source.file);
  for (const s of source.signatures ?? []) query.append("signature", s);
  return `/land/review?${query}`;
}

// useSource is the source that the address names, if it names one, and the job that
// lands it, once there is one.
export function useSource() {
  const [query, setQuery] = useSearchParams();
  const upload = query.get("upload") ?? undefined;
  const drive = query.get("drive") ?? undefined;
  const file = query.get("file") ?? undefined;
  const signatures = query.getAll("signature");
  const source: Source | undefined = upload ? { upload, signatures } : drive && file ? { drive, file } : undefined;
  const change = (edit: (q: URLSearchParams) => void) => {
    const next = new URLSearchParams(query);
    edit(next);
    setQuery(next, { replace: true });
  };
  return {
    source,
    job: query.get("job") ?? undefined,
    setJob: (id: string) => change((q) => q.set("job", id)),
    setSignatures: (ids: string[]) =>
      change((q) => {
        q.delete("signature");
        ids.forEach((id) => q.append("signature", id));
      }),
  };
}
