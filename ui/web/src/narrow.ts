// What the API's document leaves open is read with these: they take what is of the
// kind that is wanted, and nothing else.
export type Fields = Record<string, unknown>;

export function fieldsOf(x: unknown): Fields {
  return isObject(x) ? Object.fromEntries(Object.entries(x)) : {};
}

export function isObject(x: unknown): x is object {
  return typeof x === "object" && x !== null && !Array.isArray(x);
}

export function textOf(x: unknown): string {
  return typeof x === "string" ? x : "";
}

export function numberOf(x: unknown): number {
  return typeof x === "number" ? x : 0;
}

export function listOf(x: unknown): unknown[] {
  return Array.isArray(x) ? x : [];
}

export function textsOf(x: unknown): string[] {
  return listOf(x).filter((e) => typeof e === "string");
}
