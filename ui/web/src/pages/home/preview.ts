import { client, Failure, failureOf } from "../../api/client";
import { fieldsOf, isObject, numberOf, type Fields } from "../../narrow";

export type Amount = { bytes: number; blobs: number; manifests: number };

export type Preview = { out: Amount; trash: Amount };

// previewCollection asks what a collection would take out. The answer tells of all
// that stays first, line by line; what counts here is its last line.
export async function previewCollection(signal: AbortSignal): Promise<Preview> {
  let last = "";
  try {
    const { data, error } = await client.POST("/api/v1/content/collect/preview", { parseAs: "stream", signal });
    if (error !== undefined) throw failureOf(error);
    if (data) last = await lastLine(data);
  } catch (e) {
    throw e instanceof Failure ? e : new Failure();
  }
  const line = last ? fieldsOf(JSON.parse(last)) : {};
  if (!isObject(line.result)) throw failureOf(line.error);
  const result = fieldsOf(line.result);
  return { out: amountOf(result), trash: amountOf(fieldsOf(result.trash)) };
}

function amountOf(x: Fields): Amount {
  return { bytes: numberOf(x.bytes), blobs: numberOf(x.blobs), manifests: numberOf(x.manifests) };
}

// lastLine reads a text to its end and keeps its last line only.
export async function lastLine(body: ReadableStream<Uint8Array>): Promise<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let kept = "";
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    kept += decoder.decode(value, { stream: true });
    const end = kept.trimEnd();
    kept = kept.slice(end.lastIndexOf("\n") + 1);
  }
  return kept.trim();
}
