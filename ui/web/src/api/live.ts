import { useQueryClient, type QueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";
import type { Schema } from "./client";

export type Job = Schema<"Job">;

// touched are the queries that are read anew, by what an event is about.
const touched: Record<string, string[]> = {
  job: ["jobs"],
  upload: ["uploads"],
  drive: ["drives"],
  "definition.checked": ["content"],
};

// What the end of a job changes, by its kind.
const changedBy: Record<string, string[]> = {
  import: ["content", "bundles", "stats", "uploads", "trust"],
  export: ["bundles", "system"],
  verify: ["bundles"],
  scrub: ["stats", "content"],
  collect: ["stats", "content", "system"],
  sync: ["mirrors", "content", "stats"],
};

const ended = new Set(["done", "failed", "cancelled"]);

// The connection's state, for those who tell people about it.
let connected = true;
const watchers = new Set<() => void>();
function setConnected(now: boolean) {
  if (now === connected) return;
  connected = now;
  watchers.forEach((told) => told());
}

// useConnected says whether the appliance tells what happens.
export function useConnected(): boolean {
  return useSyncExternalStore(
    (told) => {
      watchers.add(told);
      return () => watchers.delete(told);
    },
    () => connected,
  );
}

// useLive keeps what is shown level with the appliance for as long as a component
// is there; onEnd is told of each job that ends meanwhile.
export function useLive(onEnd: (job: Job) => void) {
  const cache = useQueryClient();
  useEffect(() => follow(cache, onEnd), [cache, onEnd]);
}

// follow hears events while the page is seen: a browser has six connections to an
// origin (HTTP/1.1), for all its tabs together. What was missed comes when the page
// is seen again.
function follow(cache: QueryClient, onEnd: (job: Job) => void): () => void {
  const pending = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const touch = (keys: string[]) => {
    keys.forEach((key) => pending.add(key));
    // Not for each of many events: what comes in a moment is read once.
    timer ??= setTimeout(() => {
      timer = undefined;
      pending.forEach((key) => void cache.invalidateQueries({ queryKey: [key] }));
      pending.clear();
    }, 300);
  };
  let source: EventSource | undefined;
  let last = "";
  const hear = (event: MessageEvent<string>) => {
    last = event.lastEventId || last;
    touch(touched[event.type] ?? []);
    const job = event.type === "job" ? jobOf(event.data) : undefined;
    if (job && ended.has(job.state)) {
      touch(changedBy[job.kind] ?? []);
      onEnd(job);
    }
  };
  const open = () => {
    source = new EventSource("/api/v1/events" + (last ? "?after=" + encodeURIComponent(last) : ""));
    source.onopen = () => setConnected(true);
    // The browser connects again by itself, except after an answer that is no stream.
    source.onerror = () => {
      setConnected(false);
      void cache.invalidateQueries({ queryKey: ["session"] });
    };
    for (const kind of Object.keys(touched)) source.addEventListener(kind, hear);
    source.addEventListener("reset", (event) => {
      last = event.lastEventId || last;
      void cache.invalidateQueries();
    });
  };
  const see = () => {
    if (document.visibilityState === "visible" && !source) open();
    if (document.visibilityState === "hidden") {
      source?.close();
      source = undefined;
    }
  };
  see();
  document.addEventListener("visibilitychange", see);
  return () => {
    document.removeEventListener("visibilitychange", see);
    source?.close();
    clearTimeout(timer);
  };
}

// jobOf reads the job of an event, which has it in its data.
function jobOf(text: string): Job | undefined {
  const event: { data?: Job } = JSON.parse(text);
  return event.data;
}
