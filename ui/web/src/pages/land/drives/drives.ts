import { useQuery } from "@tanstack/react-query";
import { ask, client, Failure, type Schema } from "../../../api/client";
import type { Dictionary } from "../../../text";

export type Drive = Schema<"Drive">;
export type Candidate = Schema<"Candidate">;

// useDrives are the drives that are plugged in; null where the appliance watches none.
export function useDrives(enabled = true) {
  return useQuery({ queryKey: ["drives", "list"], queryFn: read, enabled });
}

async function read(): Promise<Drive[] | null> {
  try {
    return (await ask(client.GET("/api/v1/bundles/drives"))) ?? [];
  } catch (e) {
    if (e instanceof Failure && e.problem?.status === 404) return null;
    throw e;
  }
}

// driveName is what people call a drive.
export function driveName(d: Drive, t: Dictionary["land"]["drives"]): string {
  if (d.label) return d.label;
  if (d.access === "folder" && d.where) return t.folder(d.where);
  return d.hardware || d.device || t.unnamed;
}
