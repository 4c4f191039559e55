import { DetailedError } from "tus-js-client";
import { client, Failure, type Problem } from "../api/client";
import type { Part, Upload } from "./plan";

const base = "/api/v1/uploads";
const resumable = { "Tus-Resumable": "1.0.0" };

// pathOf is where an upload is.
export const pathOf = (id: string) => `${base}/${id}`;

type Answer<T> = { data?: T; error?: unknown; response: Response };

// answered is the answer to a request, or throws a Failure that has its status, even
// when something before the appliance gave it.
async function answered<T>(request: Promise<Answer<T>>): Promise<Answer<T>> {
  const answer = await request.catch(() => {
    throw new Failure();
  });
  if (!answer.response.ok) throw failure(answer.response.status, answer.error);
  return answer;
}

function failure(status: number, body: unknown): Failure {
  return new Failure(isProblem(body) ? body : { type: "about:blank", title: "", status, detail: "", kind: "failed" });
}

function isProblem(x: unknown): x is Problem {
  return typeof x === "object" && x !== null && "kind" in x && "detail" in x && "status" in x;
}

// failureOf is what went wrong with a request of the tus client.
export function failureOf(error: unknown): unknown {
  if (!(error instanceof DetailedError)) return error;
  const response = error.originalResponse;
  if (!response || response.getStatus() === 0) return new Failure();
  let body: unknown;
  try {
    body = JSON.parse(response.getBody());
  } catch {
    body = undefined; // there is none
  }
  return failure(response.getStatus(), body);
}

// known lists the uploads that were begun of a file.
export async function known(fingerprint: string, signal: AbortSignal): Promise<Upload[]> {
  const all: Upload[] = [];
  for (let after: string | undefined; ; ) {
    const page = await answered(client.GET("/api/v1/uploads", { params: { query: { fingerprint, after, limit: 1000 } }, signal }));
    all.push(...(page.data?.uploads ?? []));
    after = page.data?.next;
    if (!after) return all;
  }
}

export async function read(id: string, signal: AbortSignal): Promise<Upload> {
  const answer = await answered(client.GET("/api/v1/uploads/{id}", { params: { path: { id } }, signal }));
  if (!answer.data) throw new Failure();
  return answer.data;
}

// Begun says what an upload is of.
export type Begun = { name: string; fingerprint: string; total: number };

// create makes the upload of a part, or of a whole file, and returns its id.
export async function create(of: Begun, part: Part, signal: AbortSignal): Promise<string> {
  const whole = part.start === 0 && part.size === of.total;
  const place: [string, string][] = whole ? [] : [["group", of.fingerprint], ["offset", String(part.start)], ["total", String(of.total)]];
  return post({ "Upload-Length": String(part.size), "Upload-Metadata": metadata(of, place), ...(whole ? {} : { "Upload-Concat": "partial" }) }, signal);
}

// join makes one upload of all parts.
export async function join(of: Begun, ids: string[], signal: AbortSignal): Promise<string> {
  return post({ "Upload-Metadata": metadata(of), "Upload-Concat": "final;" + ids.map(pathOf).join(" ") }, signal);
}

async function post(header: Record<string, string>, signal: AbortSignal): Promise<string> {
  const { response } = await answered(client.POST("/api/v1/uploads", { params: { header: { ...resumable, ...header } }, signal }));
  const id = response.headers.get("Location")?.split("/").at(-1);
  if (!id) throw failure(502, undefined);
  return id;
}

function metadata(of: Begun, more: [string, string][] = []): string {
  return [["filename", of.name], ["fingerprint", of.fingerprint], ...more].map(([key = "", value = ""]) => `${key} ${base64(value)}`).join(",");
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

// settle makes the appliance look at an upload of which it has all: it may have been
// stopped before it did.
export async function settle(id: string, size: number, signal: AbortSignal): Promise<void> {
  await answered(
    client.PATCH("/api/v1/uploads/{id}", {
      params: { path: { id }, header: { ...resumable, "Upload-Offset": String(size) } },
      headers: { "Content-Type": "application/offset+octet-stream" },
      signal,
    }),
  );
}

// remove removes an upload; that it is gone already is as good.
export async function remove(id: string): Promise<void> {
  try {
    await answered(client.DELETE("/api/v1/uploads/{id}", { params: { path: { id }, header: resumable } }));
  } catch (error) {
    if (!(error instanceof Failure) || error.problem?.status !== 404) throw error;
  }
}
