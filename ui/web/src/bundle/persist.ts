import { Failure } from "../api/client";

const firstWait = 500;
const lastWait = 10_000;

// passing are answers after which the same may succeed: a restart, a proxy without an
// appliance behind it, somebody else at the same upload, a session that has ended.
const passing = new Set([401, 408, 423, 429, 500, 502, 503, 504]);

function passes(error: unknown, also: number[]): error is Failure {
  if (!(error instanceof Failure)) return false;
  return !error.problem || passing.has(error.problem.status) || also.includes(error.problem.status);
}

export type Persistence = {
  signal: AbortSignal;
  // moved grows while bytes move.
  moved: () => number;
  // waits is told why nothing goes on now.
  waits: (why: Failure) => void;
  // check throws when it is of no use to go on.
  check?: () => Promise<void>;
};

// persist does something until it succeeds or fails for good. However long the
// appliance is away, it is waited for.
export async function persist<T>(p: Persistence, act: () => Promise<T>, also: number[] = []): Promise<T> {
  for (let wait = firstWait; ; wait = Math.min(2 * wait, lastWait)) {
    const before = p.moved();
    try {
      return await act();
    } catch (error) {
      p.signal.throwIfAborted();
      if (!passes(error, also)) throw error;
      await p.check?.();
      if (p.moved() > before) wait = firstWait;
      p.waits(error);
      await sleep(wait / 2 + (Math.random() * wait) / 2, p.signal);
    }
  }
}

// sleep also ends when the machine is in a network again.
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      signal.removeEventListener("abort", aborted);
    };
    const done = () => {
      end();
      resolve();
    };
    const aborted = () => {
      end();
      reject(signal.reason);
    };
    const timer = setTimeout(done, ms);
    addEventListener("online", done);
    signal.addEventListener("abort", aborted);
  });
}
