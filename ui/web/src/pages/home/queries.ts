import { useQuery } from "@tanstack/react-query";
import { ask, client, Failure, type Schema } from "../../api/client";
import { useMay } from "../../api/session";
import { unmended, type Source, type Sources } from "./problems";

type Job = Schema<"Job">;
type State = "running" | "waiting" | "queued" | "failed" | "done";

const minute = 60_000;

// useStats counts what the store has.
export function useStats() {
  return useQuery({ queryKey: ["stats"], queryFn: () => ask(client.GET("/api/v1/stats")), refetchInterval: minute });
}

// useHost tells how the machine is.
export function useHost() {
  return useQuery({ queryKey: ["system", "host"], queryFn: () => ask(client.GET("/api/v1/system/host")), refetchInterval: minute });
}

// useDoctor examines the store, which reads its whole database: not often.
export function useDoctor() {
  return useQuery({ queryKey: ["system", "doctor"], queryFn: () => ask(client.GET("/api/v1/doctor")), staleTime: 10 * minute, refetchOnWindowFocus: false });
}

// ifThere is null of what this appliance has not, like mirrors without a file of them.
export async function ifThere<T>(request: Promise<T>): Promise<T | null> {
  try {
    return await request;
  } catch (e) {
    if (e instanceof Failure && e.kind === "not_found") return null;
    throw e;
  }
}

export function useMirrors() {
  const may = useMay("mirrors.read");
  return useQuery({ queryKey: ["mirrors", "home"], queryFn: () => ifThere(ask(client.GET("/api/v1/mirrors"))), enabled: may });
}

function useJobs(key: string[], state: State, enabled: boolean) {
  return useQuery({
    queryKey: key,
    enabled,
    queryFn: () => ask(client.GET("/api/v1/jobs", { params: { query: { state, limit: 50 } } })),
    select: (page) => page.items ?? [],
  });
}

// useLiveJobs are the jobs that have not ended: those that run first.
export function useLiveJobs() {
  const may = useMay("jobs.read");
  const running = useJobs(["jobs", "running"], "running", may);
  const waiting = useJobs(["jobs", "waiting"], "waiting", may);
  const queued = useJobs(["jobs", "queued"], "queued", may);
  const all = [running, waiting, queued];
  return {
    data: all.every((q) => q.data) ? all.flatMap((q) => q.data ?? []) : undefined,
    error: all.find((q) => q.error)?.error ?? null,
    isPending: all.some((q) => q.isPending),
    refetch: () => all.forEach((q) => void q.refetch()),
  };
}

// useFailedJobs are those that failed in the last days and still matter.
function useFailedJobs(): Source<Job[]> {
  const may = useMay("jobs.read");
  const failed = useJobs(["jobs", "failed"], "failed", may);
  const some = (failed.data?.length ?? 0) > 0;
  // Not by the key of jobs: each event of one would read this list anew.
  const done = useJobs(["stats", "done", failed.data?.[0]?.id ?? ""], "done", may && some);
  if (!may) return { data: [] };
  return { data: failed.data && (some ? done.data && unmended(failed.data, done.data) : []), failed: failed.isError || done.isError };
}

// useSources are all that the verdict on the site is made of.
export function useSources(): Sources & { again: () => void; looked: number } {
  const [stats, host, doctor, mirrors, live] = [useStats(), useHost(), useDoctor(), useMirrors(), useLiveJobs()];
  const tls = useQuery({ queryKey: ["tls", "home"], queryFn: () => ifThere(ask(client.GET("/api/v1/tls"))) });
  const failed = useFailedJobs();
  const [mayJobs, mayMirrors] = [useMay("jobs.read"), useMay("mirrors.read")];
  return {
    doctor: { data: doctor.data, failed: doctor.isError },
    host: { data: host.data && (host.data.health ?? []), failed: host.isError },
    tls: { data: tls.data === undefined ? undefined : (tls.data?.warnings ?? []), failed: tls.isError },
    stats: { data: stats.data, failed: stats.isError },
    failed,
    live: mayJobs ? { data: live.data, failed: live.error !== null } : { data: [] },
    mirrors: mayMirrors ? { data: mirrors.data, failed: mirrors.isError } : { data: null },
    looked: doctor.dataUpdatedAt,
    again: () => [stats, host, doctor, tls, live].forEach((q) => void q.refetch()),
  };
}
