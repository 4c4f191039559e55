import { Upload as Tus } from "tus-js-client";
import { Failure } from "../api/client";
import { fingerprint } from "./fingerprint";
import { persist, sleep, type Persistence } from "./persist";
import { plan, type Part, type Upload } from "./plan";
import { create, failureOf, join, known, pathOf, read, remove, settle, type Begun } from "./request";

// Report is how far a file is.
export type Report = {
  step: "looking" | "sending" | "waiting" | "checking";
  at: number; // bytes that the appliance has, or that are on their way
  found: number; // bytes that it had before
  why?: Failure; // why it waits
};

// ChangedError says that the file is not any more what was chosen.
export class ChangedError extends Error {}

const maxRestarts = 3; // when what was sent is gone
const stall = 60_000; // without a byte; then the connection is taken for dead
const checkTime = 15 * 60_000; // for the appliance's answer when it has all bytes
const width = 3; // requests at once; a browser has six connections, and pages need some

// send brings a file over and returns when the appliance has it whole. It goes on
// with what is there, from whichever browser or program it came.
export async function send(file: File, signal: AbortSignal, tell: (report: Report) => void): Promise<Upload> {
  const sender = new Sender(file, signal, tell);
  for (let n = 1; ; n++) {
    try {
      return await sender.send();
    } catch (error) {
      const gone = error instanceof Failure && (error.problem?.status === 404 || error.problem?.status === 410);
      if (!gone || n === maxRestarts || signal.aborted) throw error;
    }
  }
}

// forget removes what the appliance has of a file that is not whole.
export async function forget(file: File): Promise<void> {
  const mark = await fingerprint(file);
  const all = await known(mark, AbortSignal.timeout(20_000));
  await Promise.all(all.filter((u) => u.fingerprint === mark && u.state === "receiving").map((u) => remove(u.id)));
}

class Sender {
  private at = new Map<Part, number>();
  private found = 0;
  private moved = 0;
  private persistence: Persistence;

  constructor(
    private readonly file: File,
    private readonly signal: AbortSignal,
    private readonly tell: (report: Report) => void,
  ) {
    this.persistence = { signal, moved: () => this.moved, waits: (why) => this.report("waiting", why), check: () => this.readable() };
  }

  async send(): Promise<Upload> {
    this.at.clear();
    this.found = 0;
    this.report("looking");
    await this.readable();
    const mark = await fingerprint(this.file);
    const of: Begun = { name: this.file.name, fingerprint: mark, total: this.file.size };
    const way = plan(of.total, mark, await persist(this.persistence, () => known(mark, this.signal)));
    if ("parts" in way) return this.sendParts(of, way.parts);
    if (way.upload.state === "receiving") await this.sendPart({ id: way.upload.id, start: 0, size: of.total });
    return this.settled(way.upload.id);
  }

  // sendParts makes all uploads first: the appliance may have no room for one.
  private async sendParts(of: Begun, parts: Part[]): Promise<Upload> {
    for (const part of parts) part.id ??= await persist(this.persistence, () => create(of, part, this.signal));
    const left = [...parts];
    const next = async (): Promise<void> => {
      for (let part = left.shift(); part; part = left.shift()) await this.sendPart(part);
    };
    await Promise.all(Array.from({ length: width }, next));
    const ids = parts.flatMap((p) => p.id ?? []);
    return this.settled(ids.length === 1 && ids[0] ? ids[0] : await persist(this.persistence, () => join(of, ids, this.signal)));
  }

  // sendPart sends what is missing of an upload. One that is further than it was
  // thought to be is asked again.
  private sendPart(part: Part): Promise<void> {
    return persist(this.persistence, () => this.attempt(part), [409]);
  }

  private attempt(part: Part): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (act: () => void) => {
        clearInterval(watch);
        this.signal.removeEventListener("abort", abort);
        act();
      };
      let last = Date.now();
      const tus = new Tus(this.file.slice(part.start, part.start + part.size), {
        uploadUrl: pathOf(part.id ?? ""),
        retryDelays: null,
        storeFingerprintForResuming: false,
        onProgress: (at) => {
          last = Date.now();
          this.progress(part, at);
        },
        onSuccess: () => end(resolve),
        onError: (error) => end(() => reject(failureOf(error))),
      });
      const stop = (reason: unknown) => end(() => void tus.abort().finally(() => reject(reason)));
      const abort = () => stop(this.signal.reason);
      const watch = setInterval(() => {
        const patience = this.at.get(part) === part.size ? checkTime : stall;
        if (Date.now() - last > patience) stop(new Failure());
      }, 1000);
      this.signal.addEventListener("abort", abort);
      tus.start();
    });
  }

  // settled waits until an upload is whole.
  private async settled(id: string): Promise<Upload> {
    for (let wait = 20; ; wait = Math.min(2 * wait, 1000)) {
      const up = await persist(this.persistence, () => read(id, this.signal));
      if (up.state === "whole" || up.state === "consumed") return up;
      if (up.state === "failed" || up.state === "gone") throw new Failure({ type: "", title: "", status: 422, kind: up.reasonKind ?? "failed", detail: up.reason ?? "" });
      if (up.state === "receiving") await persist(this.persistence, () => settle(id, up.size, this.signal));
      this.report("checking");
      await sleep(wait, this.signal);
    }
  }

  private progress(part: Part, at: number) {
    const before = this.at.get(part);
    if (before === undefined) this.found += at;
    else this.moved += Math.max(0, at - before);
    this.at.set(part, at);
    this.report("sending");
  }

  private report(step: Report["step"], why?: Failure) {
    const at = [...this.at.values()].reduce((sum, n) => sum + n, 0);
    this.tell({ step, at: step === "checking" ? this.file.size : at, found: this.found, why });
  }

  // readable tries a byte: browsers let nobody read a file that was changed since it
  // was chosen, or is not there any more.
  private async readable() {
    try {
      await this.file.slice(0, 1).arrayBuffer();
    } catch {
      throw new ChangedError();
    }
  }
}
