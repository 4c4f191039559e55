import type { Schema } from "../../api/client";
import type { Format } from "../../format";
import type { Dictionary } from "../../text";

type Job = Schema<"Job">;
type Level = "trouble" | "warning";

// What can be done about a problem: a page to go to, or a scrub to begin; each for
// who has the right.
export type Act = { right: string; label: string } & ({ to: string } | { scrub: true });

export type Problem = { key: string; level: Level; title: string; detail: string; mend?: string; act?: Act };

// Source is what the appliance has told of one thing: nothing before it has, and
// failed when it could not.
export type Source<T> = { data?: T; failed?: boolean };

export type Sources = {
  doctor: Source<Schema<"StoreFinding">[]>;
  host: Source<Schema<"HostFinding">[]>;
  tls: Source<string[]>;
  stats: Source<Schema<"Stats">>;
  failed: Source<Job[]>;
  live: Source<Job[]>;
  mirrors: Source<Schema<"Listing"> | null>;
};

type Words = { t: Dictionary; f: Format; job: (job: Job) => string };

// problemsOf is everything that somebody should look at, the worst first.
export function problemsOf(s: Sources, words: Words): Problem[] {
  const all = [...unasked(s, words), ...damaged(s, words), ...ofStore(s, words), ...ofHost(s, words), ...ofJobs(s, words), ...others(s, words)];
  return all.sort((a, b) => Number(b.level === "trouble") - Number(a.level === "trouble"));
}

// isSettled says whether everything has been told, one way or the other.
export function isSettled(s: Sources): boolean {
  return Object.values(s).every((source) => source.data !== undefined || source.failed);
}

function unasked(s: Sources, { t }: Words): Problem[] {
  const topics: [string, Source<unknown>, string][] = [
    ["doctor", s.doctor, t.home.topic.doctor],
    ["host", s.host, t.home.topic.host],
    ["tls", s.tls, t.home.topic.tls],
    ["stats", s.stats, t.home.topic.stats],
    ["jobs", { failed: s.failed.failed || s.live.failed }, t.home.topic.jobs],
    ["mirrors", s.mirrors, t.home.topic.mirrors],
  ];
  return topics
    .filter(([, source]) => source.failed)
    .map(([key, , topic]) => ({ key: `unasked ${key}`, level: "warning", title: t.home.verdict.unasked(topic), detail: t.home.verdict.cause, act: { to: "/settings/diagnostics", right: "system.read", label: t.home.act.diagnostics } }));
}

const toDiagnostics = (t: Dictionary): Act => ({ to: "/settings/diagnostics", right: "system.read", label: t.home.act.diagnostics });

// damaged content is counted at once; the examination says which it is.
function damaged(s: Sources, { t, f }: Words): Problem[] {
  const n = s.stats.data?.damaged ?? 0;
  if (n === 0) return [];
  const found = s.doctor.data?.find((d) => d.what === "quarantine" && d.level === "error");
  return [{ key: "damaged", level: "trouble", title: t.home.problem.damaged(n, f.count(n)), detail: found?.is ?? "", mend: t.home.problem.damagedText, act: { to: "/land", right: "bundles.write", label: t.home.act.land } }];
}

// How the findings of the store's examination begin, what they are called for people,
// and what can be done about them from here.
function storeTopics(t: Dictionary): { begins: string; title: string; act?: Act }[] {
  return [
    { begins: "database", title: t.home.problem.database, act: toDiagnostics(t) },
    { begins: "data folder", title: t.home.problem.folder, act: { to: "/settings/storage", right: "system.read", label: t.home.act.disks } },
    { begins: "free space", title: t.home.problem.space, act: { to: "/content/space", right: "content.read", label: t.home.act.storage } },
    { begins: "free inodes", title: t.home.problem.inodes, act: { to: "/content/space", right: "content.read", label: t.home.act.storage } },
    { begins: "blobs and database", title: t.home.problem.files, act: toDiagnostics(t) },
    { begins: "quarantine", title: t.home.problem.quarantine, act: { to: "/land", right: "bundles.write", label: t.home.act.land } },
    { begins: "last scrub", title: t.home.problem.scrub, act: { scrub: true, right: "content.write", label: t.home.act.scrub } },
    { begins: "clock", title: t.home.problem.clock, act: { to: "/settings/network", right: "system.read", label: t.home.act.time } },
  ];
}

function ofStore(s: Sources, { t }: Words): Problem[] {
  const told = new Set<string>();
  // What the machine says of its disk has more to it.
  if (s.host.data?.some((h) => h.about === "storage" && h.level !== "ok")) told.add("free space").add("free inodes");
  if ((s.stats.data?.damaged ?? 0) > 0) told.add("quarantine");
  return (s.doctor.data ?? [])
    .filter((d) => (d.level === "error" || d.level === "warning") && !told.has(d.what))
    .map((d) => {
      const topic = storeTopics(t).find((x) => d.what.startsWith(x.begins));
      return { key: `doctor ${d.what}`, level: d.level === "error" ? "trouble" : "warning", title: topic?.title ?? d.what, detail: d.is, mend: d.mend, act: topic?.act ?? toDiagnostics(t) };
    });
}

function ofHost(s: Sources, { t }: Words): Problem[] {
  const time: Act = { to: "/settings/network", right: "system.read", label: t.home.act.time };
  const topics: Record<string, { title: string; act: Act }> = {
    storage: { title: t.home.problem.storage, act: { to: "/settings/storage", right: "system.read", label: t.home.act.disks } },
    memory: { title: t.home.problem.memory, act: time },
    clock: { title: t.home.problem.clock, act: time },
    network: { title: t.home.problem.network, act: time },
  };
  const full: { title: string; act: Act } = { title: t.home.problem.space, act: { to: "/content/space", right: "content.read", label: t.home.act.storage } };
  return (s.host.data ?? [])
    .filter((h) => h.level !== "ok")
    .map((h) => {
      const topic = h.about === "storage" && h.what.endsWith("are available") ? full : topics[h.about];
      return { key: `host ${h.about} ${h.what}`, level: h.level === "critical" ? "trouble" : "warning", title: topic?.title ?? h.about, detail: h.what, mend: h.do, act: topic?.act ?? time };
    });
}

const few = 3;

function ofJobs(s: Sources, { t, f, job }: Words): Problem[] {
  const failed = s.failed.data ?? [];
  const act = (id: string): Act => ({ to: `/jobs/${id}`, right: "jobs.read", label: t.home.act.job });
  const list: Problem[] = (s.live.data ?? [])
    .filter((j) => j.stuck)
    .map((j) => ({ key: `stuck ${j.id}`, level: "trouble", title: t.home.problem.stuck(job(j)), detail: j.stuck?.message ?? "", act: act(j.id) }));
  for (const j of failed.slice(0, few)) {
    list.push({ key: `failed ${j.id}`, level: "warning", title: t.home.problem.failed(job(j)), detail: t.home.problem.failedAt(f.relative(j.ended ?? j.created), j.error?.message ?? ""), act: act(j.id) });
  }
  const more = failed.length - few;
  if (more > 0) list.push({ key: "more failed", level: "warning", title: t.home.problem.moreFailed(more, f.count(more)), detail: t.home.problem.moreFailedText, act: { to: "/jobs?state=failed", right: "jobs.read", label: t.home.act.failed } });
  return list;
}

function others(s: Sources, { t }: Words): Problem[] {
  const list: Problem[] = (s.tls.data ?? []).map((w) => ({ key: `tls ${w}`, level: "warning", title: t.home.problem.tls, detail: w, act: { to: "/settings/tls", right: "system.read", label: t.home.act.tls } }));
  const problem = s.mirrors.data?.problem;
  if (problem) list.push({ key: "mirrors", level: "warning", title: t.home.problem.mirrors, detail: problem, act: { to: "/mirrors", right: "mirrors.read", label: t.home.act.mirrors } });
  return list;
}

const lately = 3 * 24 * 3600 * 1000;

// unmended are jobs that failed lately and that nothing has made good: no later job
// of the same kind that did the same to the same.
export function unmended(failed: Job[], done: Job[], now = Date.now()): Job[] {
  return failed.filter(
    (j) => now - Date.parse(j.ended ?? j.created) < lately && !done.some((d) => d.kind === j.kind && d.subject === j.subject && Date.parse(d.created) > Date.parse(j.created)),
  );
}
