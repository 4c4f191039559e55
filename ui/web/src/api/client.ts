import createClient from "openapi-fetch";
import type { components, paths } from "./schema.gen";

// The appliance's API, typed by the document that it serves.
export const client = createClient<paths>({ baseUrl: "/" });

// Schema is a type of the API by its name.
export type Schema<N extends keyof components["schemas"]> = components["schemas"][N];
export type Problem = Schema<"Problem">;

// Failure is what the API answered instead of what it was asked for. Without a
// problem, nothing has answered.
export class Failure extends Error {
  // after is for how many seconds not to try again.
  constructor(
    readonly problem?: Problem,
    readonly after = 0,
  ) {
    super(problem?.detail ?? "");
    this.name = "Failure";
  }
  get kind() {
    return this.problem?.kind ?? "unreachable";
  }
  // field is what is wrong with a field, by the end of its path in the request.
  field(name: string): string | undefined {
    return this.problem?.errors?.find((e) => e.location === name || e.location?.endsWith("." + name))?.message;
  }
}

type Answer<T> = { data?: T; error?: unknown; response: Response };

// ask returns what a request asked for, or throws a Failure.
export async function ask<T>(request: Promise<Answer<T>>): Promise<NonNullable<T>> {
  return (await askTagged(request)).data;
}

// askTagged returns the entity tag, too: for a change, by If-Match, of this version only.
export async function askTagged<T>(request: Promise<Answer<T>>): Promise<{ data: NonNullable<T>; etag: string }> {
  let answer: Answer<T>;
  try {
    answer = await request;
  } catch {
    throw new Failure();
  }
  const { headers, ok } = answer.response;
  if (ok) return { data: (answer.data ?? undefined) as NonNullable<T>, etag: headers.get("ETag") ?? "" }; // nothing, where the document promises nothing
  throw new Failure(isProblem(answer.error) ? answer.error : undefined, Number(headers.get("Retry-After") ?? 0));
}

// failureOf is the Failure of a problem that came in the middle of an answer.
export const failureOf = (x: unknown) => new Failure(isProblem(x) ? x : undefined);

function isProblem(x: unknown): x is Problem {
  return typeof x === "object" && x !== null && "kind" in x && "detail" in x;
}

// newKey is an Idempotency-Key: the same start is not made twice. Not randomUUID,
// which browsers have on secure origins only.
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}

// keyed has the header for a request that starts work.
export const keyed = () => ({ header: { "Idempotency-Key": newKey() } });

// ifMatch has the header for a change of what has a version.
export const ifMatch = (version: number | string) => ({ header: { "If-Match": `"${version}"` } });
