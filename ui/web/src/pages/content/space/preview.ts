import { client, Failure } from "../../../api/client";
import { record, records, text } from "../artifact/json";

// Kept is a manifest that a collection would leave, and why.
export type Kept = { repository: string; digest: string; reason: string };

// Freed is what a collection would take out of one repository.
export type Freed = { repository: string; manifests: number; blobs: number; bytes: number };

export type Preview = { kept: Kept[]; keptMore: number; freed: Freed[]; manifests: number; blobs: number; bytes: number };

// As many reasons as are remembered: a site can have hundreds of thousands.
const remembered = 20_000;

const number = (x: unknown) => (typeof x === "number" ? x : 0);

// previewCollection reads what a collection would take out: JSON objects, one a line,
// of which the last is the result.
export async function previewCollection(signal: AbortSignal): Promise<Preview> {
  const { data, response, error } = await client.POST("/api/v1/content/collect/preview", { parseAs: "stream", signal });
  if (error) throw new Failure(error);
  if (!response.ok || !data) throw new Failure();
  const preview: Preview = { kept: [], keptMore: 0, freed: [], manifests: 0, blobs: 0, bytes: 0 };
  let whole = false;
  for await (const line of lines(data)) whole = take(preview, line) || whole;
  if (!whole) throw new Failure();
  return preview;
}

// take puts one line into the preview, and reports whether it was the result.
function take(preview: Preview, line: string): boolean {
  const said = record(JSON.parse(line));
  const kept = record(said?.event);
  if (kept) {
    if (preview.kept.length >= remembered) preview.keptMore++;
    else preview.kept.push({ repository: text(kept.repository) ?? "", digest: text(kept.digest) ?? "", reason: text(kept.reason) ?? "" });
    return false;
  }
  const result = record(said?.result);
  if (!result) throw new Failure();
  preview.manifests = number(result.manifests);
  preview.blobs = number(result.blobs);
  preview.bytes = number(result.bytes);
  preview.freed = records(result.repositories)
    .map((r) => ({ repository: text(r.repository) ?? "", manifests: number(r.freedManifests), blobs: number(r.freedBlobs), bytes: number(r.freedBytes) }))
    .filter((r) => r.manifests + r.blobs > 0);
  return true;
}

async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    rest += decoder.decode(value, { stream: !done });
    const whole = rest.split("\n");
    rest = whole.pop() ?? "";
    yield* whole.filter(Boolean);
    if (done) break;
  }
  if (rest) yield rest;
}
