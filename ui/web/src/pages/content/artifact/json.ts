// Documents that others have made are of any shape: these take out of them what has
// the expected one.

export type Fields = Record<string, unknown>;

export const record = (x: unknown): Fields | undefined => (isRecord(x) ? x : undefined);
export const text = (x: unknown): string | undefined => (typeof x === "string" && x !== "" ? x : undefined);
export const list = (x: unknown): unknown[] => (Array.isArray(x) ? x : []);
export const records = (x: unknown): Fields[] => list(x).filter(isRecord);
export const texts = (x: unknown): string[] => list(x).flatMap((i) => text(i) ?? []);

function isRecord(x: unknown): x is Fields {
  return typeof x === "object" && x !== null && !Array.isArray(x);
}

// time is a point in time, when the text is one.
export const time = (x: unknown): string | undefined => (Number.isNaN(Date.parse(text(x) ?? "")) ? undefined : text(x));

// parse is the value of a JSON text, undefined when it is none.
export function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

// decode is the text behind base64.
export function decode(base64: string): string {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)));
  } catch {
    return "";
  }
}
