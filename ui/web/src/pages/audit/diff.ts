import { isObject } from "../../narrow";

// A change is one value that an entry names: before is undefined where there was
// none, after where there is none any more.
export type Change = { path: string; before?: string; after?: string };

// changesOf compares two values field by field. Equal ones are counted only.
export function changesOf(before: unknown, after: unknown): { changed: Change[]; same: number } {
  const old = leaves(before);
  const now = leaves(after);
  const changed: Change[] = [];
  let same = 0;
  for (const path of new Set([...old.keys(), ...now.keys()])) {
    const change = { path, before: old.get(path), after: now.get(path) };
    if (change.before === change.after) same++;
    else changed.push(change);
  }
  return { changed, same };
}

// leaves are the values of a tree that have no fields, by their paths.
function leaves(x: unknown, path = "", found = new Map<string, string>()): Map<string, string> {
  if (x === undefined || x === null) return found;
  if (isObject(x) && Object.keys(x).length > 0) {
    for (const [name, value] of Object.entries(x)) leaves(value, path ? `${path}.${name}` : name, found);
  } else if (Array.isArray(x) && x.some((e) => typeof e === "object")) {
    x.forEach((value, k) => leaves(value, `${path}[${k}]`, found));
  } else {
    found.set(path, typeof x === "string" ? x : JSON.stringify(x, null, Array.isArray(x) ? 1 : 0));
  }
  return found;
}

export type Line = { kind: "same" | "removed" | "added"; text: string };

const longest = 1500;

// linesOf compares two texts line by line, like diff does: by their longest common
// subsequence. Texts that are very long are not compared: all goes, all comes.
export function linesOf(before: string, after: string): Line[] {
  const a = before.split("\n");
  const b = after.split("\n");
  const line = (kind: Line["kind"]) => (text: string) => ({ kind, text });
  if (a.length > longest || b.length > longest) return [...a.map(line("removed")), ...b.map(line("added"))];
  const common = commonLengths(a, b);
  const result: Line[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const [x, y] = [a[i], b[j]];
    if (x !== undefined && x === y) {
      result.push({ kind: "same", text: x });
      i++;
      j++;
    } else if (x !== undefined && (y === undefined || at(common, i + 1, j) >= at(common, i, j + 1))) {
      result.push({ kind: "removed", text: x });
      i++;
    } else {
      result.push({ kind: "added", text: y ?? "" });
      j++;
    }
  }
  return result;
}

const at = (table: Uint16Array[], i: number, j: number) => table[i]?.[j] ?? 0;

// commonLengths has how many lines a from i and b from j have in common, in order.
function commonLengths(a: string[], b: string[]): Uint16Array[] {
  const table = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    const row = table[i];
    if (!row) continue;
    for (let j = b.length - 1; j >= 0; j--) row[j] = a[i] === b[j] ? at(table, i + 1, j + 1) + 1 : Math.max(at(table, i + 1, j), at(table, i, j + 1));
  }
  return table;
}

export type Listed = { name: string; before: unknown; after: unknown };

// listedIn are the changes of an entry that stands for many names, if it does.
export function listedIn(after: unknown): Listed[] | undefined {
  if (!Array.isArray(after) || after.length === 0) return undefined;
  const list = after.flatMap((x: unknown): Listed[] => (isObject(x) && "name" in x && typeof x.name === "string" ? [{ name: x.name, before: "before" in x ? x.before : undefined, after: "after" in x ? x.after : undefined }] : []));
  return list.length === after.length ? list : undefined;
}
