import { request } from "node:http";
import createClient from "openapi-fetch";
import type { paths } from "../../src/api/schema.gen";

// localClient speaks to an appliance over its socket, where everything may be done.
export function localClient(socket: string) {
  return createClient<paths>({ baseUrl: "http://landfall/", fetch: (r: Request) => send(socket, r) });
}

async function send(socketPath: string, asked: Request): Promise<Response> {
  const body = Buffer.from(await asked.arrayBuffer());
  const url = new URL(asked.url);
  return new Promise((resolve, reject) => {
    const r = request({ socketPath, method: asked.method, path: url.pathname + url.search, headers: Object.fromEntries(asked.headers), agent: false }, (answer) => {
      const parts: Buffer[] = [];
      answer.on("data", (part: Buffer) => parts.push(part));
      answer.on("error", reject);
      answer.on("end", () => {
        const status = answer.statusCode ?? 0;
        const content = status === 204 || status === 304 ? null : Buffer.concat(parts);
        resolve(new Response(content, { status, headers: { "Content-Type": answer.headers["content-type"] ?? "" } }));
      });
    });
    r.on("error", reject);
    r.end(body);
  });
}

// got is what was asked for, or the error that came instead.
export async function got<T>(answer: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<NonNullable<T>> {
  const { data, error, response } = await answer;
  if (!response.ok) throw new Error(`${response.status}: ${JSON.stringify(error)}`);
  return (data ?? undefined) as NonNullable<T>;
}
