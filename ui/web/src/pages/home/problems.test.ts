import { expect, test } from "vitest";
import type { Schema } from "../../api/client";
import { Format } from "../../format";
import * as en from "../../text/en";
import { lastLine } from "./preview";
import { isSettled, problemsOf, unmended, type Sources } from "./problems";

type Job = Schema<"Job">;

const words = { t: en, f: new Format("en"), job: (j: Job) => `${j.kind} ${j.subject ?? ""}` };
const now = Date.parse("2027-03-31T12:00:00Z");

const job = (id: string, state: Job["state"], hoursAgo: number, subject = "x"): Job => {
  const at = new Date(now - hoursAgo * 3_600_000).toISOString();
  return { id, kind: "import", subject, state, attempt: 1, owner: "ada", ownerKind: "user", created: at, ended: at, progress: {} };
};

const pass = { running: false, started: "", finished: "" };
const stats: Schema<"Stats"> = {
  repositories: 1, tags: 1, manifests: 1, blobs: 1, blobBytes: 1, uploads: 0, damaged: 0, trashBlobs: 0, trashBytes: 0, freeBytes: 1,
  scrub: { ...pass, blobs: 0, bytes: 0, totalBytes: 0, damaged: 0 }, collect: { ...pass, items: 0, bytes: 0, freedBytes: 0 },
};
const right: Sources = {
  doctor: { data: [{ level: "ok", what: "quarantine", is: "empty" }, { level: "note", what: "trash", is: "2 blobs" }] },
  host: { data: [{ level: "ok", about: "clock", what: "it shows" }] },
  tls: { data: [] }, stats: { data: stats }, failed: { data: [] }, live: { data: [] }, mirrors: { data: null },
};
const keys = (s: Sources) => problemsOf(s, words).map((p) => p.key);

test("where all is right there is no problem", () => {
  expect(problemsOf(right, words)).toEqual([]);
  expect(isSettled(right)).toBe(true);
  expect(isSettled({ ...right, doctor: {} })).toBe(false);
  expect(isSettled({ ...right, doctor: { failed: true } })).toBe(true);
});

test("the worst comes first, and each can be acted on", () => {
  const found = problemsOf(
    {
      ...right,
      doctor: { data: [{ level: "warning", what: "last scrub", is: "long ago", mend: "scrub" }, { level: "error", what: "database /x/landfall.db", is: "malformed" }] },
      host: { data: [{ level: "warning", about: "clock", what: "follows no time server", do: "name one" }] },
      tls: { data: ["it ends soon"] },
      failed: { data: [1, 2, 3, 4, 5].map((n) => job(String(n), "failed", n)) },
      mirrors: { data: { file: "m.yaml", loaded: "", problem: "line 3", mirrors: [] } },
    },
    words,
  );
  expect(found[0]?.title).toBe(en.home.problem.database);
  expect(found.filter((p) => p.level === "trouble")).toHaveLength(1);
  expect(found.every((p) => p.act)).toBe(true);
  expect(found.map((p) => p.title)).toContain(en.home.problem.moreFailed(2, "2"));
  expect(new Set(found.map((p) => p.key)).size).toBe(found.length);
});

test("what two tell of is told once", () => {
  const full = { level: "warning", what: "free space", is: "3 GiB of 100 GiB" };
  const disk = { level: "warning", about: "storage", what: "/data: 3 GiB of 100 GiB are available" };
  expect(keys({ ...right, doctor: { data: [full] }, host: { data: [disk] } })).toEqual([`host storage ${disk.what}`]);
  expect(keys({ ...right, doctor: { data: [full] } })).toEqual(["doctor free space"]);
  const quarantine = { level: "error", what: "quarantine", is: "1 damaged: blob x" };
  const damaged = problemsOf({ ...right, doctor: { data: [quarantine] }, stats: { data: { ...stats, damaged: 1 } } }, words);
  expect(damaged.map((p) => [p.key, p.level, p.detail])).toEqual([["damaged", "trouble", quarantine.is]]);
});

test("what could not be asked is no good news", () => {
  expect(keys({ ...right, host: { failed: true }, live: { failed: true } })).toEqual(["unasked host", "unasked jobs"]);
});

test("a failed job counts until something makes it good, or for three days", () => {
  const failed = [job("a", "failed", 5), job("b", "failed", 5, "y"), job("c", "failed", 100, "z")];
  expect(unmended(failed, [], now).map((j) => j.id)).toEqual(["a", "b"]);
  expect(unmended(failed, [job("d", "done", 1), job("e", "done", 9, "y")], now).map((j) => j.id)).toEqual(["b"]);
});

test("of a stream the last line is kept, however it is cut", async () => {
  const text = '{"event":1}\n{"event":2}\n{"result":"größer"}\n';
  const bytes = new TextEncoder().encode(text);
  for (const size of [1, 2, 7, 1000]) {
    const body = new ReadableStream<Uint8Array>({
      start(c) {
        for (let k = 0; k < bytes.length; k += size) c.enqueue(bytes.slice(k, k + size));
        c.close();
      },
    });
    expect(await lastLine(body)).toBe('{"result":"größer"}');
  }
  expect(await lastLine(new ReadableStream({ start: (c) => c.close() }))).toBe("");
});
