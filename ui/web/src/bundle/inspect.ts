import { ask, client, Failure, type Schema } from "../api/client";
import type { Outline, Range } from "./outline";
import type { Pieces } from "./pieces";

export type Inspection = Schema<"Inspection">;

const maxAsked = 4; // the appliance says at once what it needs; signatures may need more

// inspectOutline asks what would come of a bundle of which the outline is sent only.
// Small blobs go along: the answer may depend on some, and on others that the
// appliance then asks for.
export async function inspectOutline(file: Pieces, outline: Outline, signatures: readonly File[], signal: AbortSignal): Promise<Inspection> {
  let ranges = outline.small;
  for (let n = 1; ; n++) {
    try {
      return await post(form(file, outline, signatures, ranges), signal);
    } catch (error) {
      const more = error instanceof Failure && error.kind === "incomplete" ? (error.problem?.ranges ?? []) : [];
      if (more.length === 0 || n === maxAsked) throw error;
      const have = new Set(ranges.map((r) => r.offset));
      ranges = [...ranges, ...more.filter((r) => !have.has(r.offset))].sort((a, b) => a.offset - b.offset);
    }
  }
}

function post(body: FormData, signal: AbortSignal): Promise<Inspection> {
  // The document's type has texts for what is bytes; what is sent is the form.
  const typed = { size: 0, head: "", tailOffset: 0, tail: "" };
  return ask(client.POST("/api/v1/bundles/inspect/outline", { body: typed, bodySerializer: () => body, signal }));
}

function form(file: Pieces, outline: Outline, signatures: readonly File[], ranges: Range[]): FormData {
  const form = new FormData();
  form.set("size", String(outline.size));
  form.set("head", outline.head);
  form.set("tailOffset", String(outline.tailOffset));
  form.set("tail", outline.tail);
  if (ranges.length > 0) {
    form.set("ranges", JSON.stringify(ranges));
    form.set("between", new Blob(ranges.map((r) => file.slice(r.offset, r.offset + r.size))));
  }
  for (const signature of signatures) form.append("signatures", signature);
  return form;
}
