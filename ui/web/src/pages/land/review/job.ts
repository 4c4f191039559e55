import { useQuery } from "@tanstack/react-query";
import { ask, client, type Schema } from "../../../api/client";
import { fieldsOf, isObject, numberOf, textOf, textsOf } from "../../../narrow";

export type Job = Schema<"Job">;

// useJob is a job as it is now.
export function useJob(id: string) {
  return useQuery({ queryKey: ["jobs", "one", id], queryFn: () => ask(client.GET("/api/v1/jobs/{id}", { params: { path: { id } } })) });
}

// Landed is what a landing has done.
export type Landed = { bundle: string; kind: string; source: string; total: number; moved: number; names: string[]; signers?: string[]; warnings: string[] };

// landedOf reads the result of a landing.
export function landedOf(job: Job): Landed | undefined {
  if (!isObject(job.result)) return undefined;
  const r = fieldsOf(job.result);
  const verdict = isObject(r.verdict) ? fieldsOf(r.verdict) : undefined;
  return {
    bundle: textOf(r.bundle),
    kind: textOf(r.kind),
    source: textOf(r.source),
    total: numberOf(r.total),
    moved: numberOf(r.moved),
    names: textsOf(r.names),
    signers: verdict && textsOf(verdict.signers),
    warnings: textsOf(verdict?.warnings),
  };
}

// sourceOf tells where a landing reads from, as it was asked for.
export function sourceOf(job: Job): "upload" | "drive" | "path" | undefined {
  const source = fieldsOf(fieldsOf(job.args).source);
  if (textOf(source.upload)) return "upload";
  if (textOf(source.drive)) return "drive";
  return textOf(source.path) ? "path" : undefined;
}
