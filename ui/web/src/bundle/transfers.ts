import { useSyncExternalStore } from "react";
import type { Upload } from "./plan";
import { Meter } from "./meter";
import { forget, send, type Report } from "./send";
import type { Cargo } from "./sort";

// Sent is how far one file of a transfer is.
export type Sent = {
  file: File;
  step: "ready" | Report["step"] | "whole" | "failed";
  at: number;
  found: number;
  upload?: Upload; // once it is whole
  error?: unknown; // why it failed, or waits
};

// Transfer is cargo on its way from this browser to the appliance.
export type Transfer = {
  id: number;
  cargo: Cargo;
  state: "chosen" | "queued" | "sending" | "whole" | "failed";
  files: Sent[]; // signatures first: they are small
  rate?: number; // bytes per second
};

const width = 2; // transfers at once
const tellEvery = 250; // milliseconds

// Transfers are those of this window. They go on while pages come and go.
class Transfers {
  private list: Transfer[] = [];
  private listeners = new Set<() => void>();
  private running = new Map<number, { stop: AbortController; meter: Meter }>();
  private timer?: ReturnType<typeof setTimeout>;
  private last = 0;

  subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  snapshot = () => this.list;

  choose(cargos: Cargo[]) {
    const fresh = cargos.filter((c) => !this.list.some((t) => sameFiles(t.cargo, c)));
    this.list = [...this.list, ...fresh.map(transferOf)];
    this.tell();
  }

  start(id: number) {
    this.change(id, (t) => ({ ...t, state: "queued", files: t.files.map((f) => (f.step === "whole" ? f : { ...f, step: "ready", error: undefined })) }));
    this.pump();
  }

  // drop takes a transfer off the list. With what was sent of it, nothing is done.
  drop(id: number) {
    this.running.get(id)?.stop.abort();
    this.list = this.list.filter((t) => t.id !== id);
    this.tell();
  }

  // cancel ends a transfer, and removes what the appliance has of it.
  async cancel(id: number) {
    const found = this.list.find((t) => t.id === id);
    this.drop(id);
    for (const f of found?.files ?? []) if (f.step !== "whole") await forget(f.file);
  }

  // landed drops the transfer that an upload is of.
  landed(upload: string) {
    const found = this.list.find((t) => t.files.some((f) => f.upload?.id === upload));
    if (found) this.drop(found.id);
  }

  private pump() {
    for (const t of this.list) {
      if (t.state === "queued" && this.running.size < width) void this.run(t);
    }
    const busy = this.running.size > 0;
    if (busy) addEventListener("beforeunload", warn);
    else removeEventListener("beforeunload", warn);
  }

  private async run(t: Transfer) {
    const work = { stop: new AbortController(), meter: new Meter() };
    this.running.set(t.id, work);
    this.change(t.id, (now) => ({ ...now, state: "sending" }));
    try {
      for (let k = 0; k < t.files.length; k++) await this.sendFile(t.id, k, work);
      this.change(t.id, (now) => ({ ...now, state: "whole", rate: undefined }));
    } catch {
      this.change(t.id, (now) => ({ ...now, state: "failed", rate: undefined }));
    } finally {
      this.running.delete(t.id);
      this.pump();
    }
  }

  private async sendFile(id: number, k: number, work: { stop: AbortController; meter: Meter }) {
    const sent = this.list.find((t) => t.id === id)?.files[k];
    work.stop.signal.throwIfAborted();
    if (!sent || sent.step === "whole") return;
    work.meter.clear();
    try {
      const upload = await send(sent.file, work.stop.signal, (r) => {
        if (r.step === "sending") work.meter.add(r.at);
        else work.meter.clear();
        this.note(id, k, { step: r.step, at: r.at, found: r.found, error: r.why }, work.meter.rate());
      });
      this.note(id, k, { step: "whole", at: sent.file.size, upload, error: undefined });
    } catch (error) {
      this.note(id, k, { step: "failed", error });
      throw error;
    }
  }

  private note(id: number, k: number, sent: Partial<Sent>, rate?: number) {
    this.change(id, (t) => ({ ...t, rate, files: t.files.map((f, n) => (n === k ? { ...f, ...sent } : f)) }));
  }

  private change(id: number, to: (t: Transfer) => Transfer) {
    this.list = this.list.map((t) => (t.id === id ? to(t) : t));
    this.tell();
  }

  // tell tells listeners, not for each of many changes.
  private tell() {
    const wait = this.last + tellEvery - Date.now();
    this.timer ??= setTimeout(
      () => {
        this.timer = undefined;
        this.last = Date.now();
        this.listeners.forEach((told) => told());
      },
      Math.max(0, wait),
    );
  }
}

let made = 0;

function transferOf(cargo: Cargo): Transfer {
  const files = [...cargo.signatures, ...cargo.files];
  return { id: ++made, cargo, state: "chosen", files: files.map((file) => ({ file, step: "ready", at: 0, found: 0 })) };
}

function sameFiles(a: Cargo, b: Cargo): boolean {
  const key = (c: Cargo) => JSON.stringify([...c.files, ...c.signatures].map((f) => [f.name, f.size, f.lastModified]));
  return key(a) === key(b);
}

// warn asks before the window is closed on a transfer.
function warn(event: BeforeUnloadEvent) {
  event.preventDefault();
}

export const transfers = new Transfers();

export const useTransfers = (): readonly Transfer[] => useSyncExternalStore(transfers.subscribe, transfers.snapshot);

// total is the size of all files of a transfer, and how much of that is over.
export function total(t: Transfer): { at: number; size: number; found: number } {
  return t.files.reduce((sum, f) => ({ at: sum.at + f.at, size: sum.size + f.file.size, found: sum.found + f.found }), { at: 0, size: 0, found: 0 });
}
