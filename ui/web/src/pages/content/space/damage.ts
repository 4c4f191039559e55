import { list, record, records, text, texts } from "../artifact/json";

// Damage is content whose bytes are not what they have to be.
export type Damage = { digest: string; kind: string; size: number; cause: string; breaks: string[]; more: boolean };

// damageOf is what a scrub found, by the result of its job; undefined when that does
// not say.
export function damageOf(result: unknown): Damage[] | undefined {
  const report = record(result);
  if (!report || !Array.isArray(report.damaged)) return undefined;
  return records(list(report.damaged)).map((d) => ({
    digest: text(d.digest) ?? "",
    kind: text(d.kind) ?? "",
    size: typeof d.size === "number" ? d.size : 0,
    cause: text(d.cause) ?? "",
    breaks: texts(d.breaks),
    more: d.more === true,
  }));
}
