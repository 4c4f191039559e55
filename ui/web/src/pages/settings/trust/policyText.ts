// Changes of a trust policy as text: lines are added and taken out, and everything
// else that people have written stays, comments too. Where the text is of a form that
// this cannot do with, the answer is undefined and people edit it by themselves.

export type NewKey = { owner: string; pem: string; channels: string[]; notBefore?: string; notAfter?: string };
export type Revocation = { since: string; reason: string };

const emptyPolicy = "version: 1\nkeys:\n";

// addKey adds a key at the end of the keys.
export function addKey(policy: string, key: NewKey): string | undefined {
  if (isJSON(policy)) return editJSON(policy, (keys) => [...keys, jsonKey(key)]);
  const lines = split(policy.trim() === "" ? emptyPolicy : policy);
  const keys = findKeys(lines);
  if (!keys) return lines.some((l) => l.startsWith("keys:")) ? undefined : addKey(policy.trimEnd() + "\nkeys:\n", key);
  const next = [...lines];
  next[keys.head] = (next[keys.head] ?? "").replace(/^keys:\s*\[\s*\]/, "keys:");
  next.splice(keys.end, 0, ...keyLines(key, keys.indent));
  return join(next);
}

// revokeKey says of a key that it counts for nothing from a day on.
export function revokeKey(policy: string, pem: string, revoked: Revocation): string | undefined {
  if (isJSON(policy)) return editJSON(policy, (keys) => keys.map((k) => (holds(JSON.stringify(k), pem) ? { ...k, revoked } : k)));
  const lines = split(policy);
  const item = findKey(lines, pem);
  const dash = /^(\s*-\s+)[A-Za-z]+:/.exec(lines[item?.start ?? -1] ?? "")?.[1];
  if (!item || !dash) return undefined;
  const line = `${" ".repeat(dash.length)}revoked: {since: ${revoked.since}, reason: ${quoted(revoked.reason)}}`;
  return join([...lines.slice(0, item.end), line, ...lines.slice(item.end)]);
}

// removeKey takes a key out.
export function removeKey(policy: string, pem: string): string | undefined {
  if (isJSON(policy)) return editJSON(policy, (keys) => keys.filter((k) => !holds(JSON.stringify(k), pem)));
  const lines = split(policy);
  const item = findKey(lines, pem);
  const keys = findKeys(lines);
  if (!item || !keys) return undefined;
  const next = [...lines.slice(0, item.start), ...lines.slice(item.end)];
  if (keys.items.length === 1) next[keys.head] = (next[keys.head] ?? "").replace(/^keys:/, "keys: []");
  return join(next);
}

type Item = { start: number; end: number };
// The list of keys: the line that it begins with, where the next key would go, how
// far its keys are indented, and each of them.
type Keys = { head: number; end: number; indent: number; items: Item[] };

function findKeys(lines: string[]): Keys | undefined {
  const head = lines.findIndex((l) => /^keys:\s*(\[\s*\])?\s*(#.*)?$/.test(l));
  if (head < 0) return undefined;
  let stop = head + 1;
  while (stop < lines.length && !/^[^\s#-]/.test(lines[stop] ?? "")) stop++;
  const starts: number[] = [];
  let indent = 2;
  for (let k = head + 1; k < stop; k++) {
    const at = /^(\s*)-\s/.exec(lines[k] ?? "")?.[1]?.length;
    if (at === undefined) continue;
    if (starts.length === 0) indent = at;
    if (at === indent) starts.push(k);
  }
  const items = starts.map((start, k) => ({ start, end: trimmed(lines, start, starts[k + 1] ?? stop) }));
  return { head, end: items.at(-1)?.end ?? head + 1, indent, items };
}

// trimmed leaves out what stands before the next thing: empty lines and comments.
function trimmed(lines: string[], start: number, end: number): number {
  let at = end;
  while (at > start + 1 && /^\s*(#.*)?$/.test(lines[at - 1] ?? "")) at--;
  return at;
}

function findKey(lines: string[], pem: string): Item | undefined {
  const found = findKeys(lines)?.items.filter((i) => holds(lines.slice(i.start, i.end).join("\n"), pem)) ?? [];
  return found.length === 1 ? found[0] : undefined;
}

// holds compares what is between the lines of two PEM files, however it is broken.
function holds(text: string, pem: string): boolean {
  const body = pem.replace(/-----[^-]+-----/g, "").replace(/\s/g, "");
  return body !== "" && text.replace(/\\n|\s/g, "").includes(body);
}

function keyLines(key: NewKey, indent: number): string[] {
  const first = `${" ".repeat(indent)}- `;
  const rest = " ".repeat(indent + 2);
  const lines = [`${first}owner: ${quoted(key.owner)}`, `${rest}pem: |`, ...split(key.pem.trim()).map((l) => `${rest}  ${l.trim()}`)];
  if (key.channels.length > 0) lines.push(`${rest}channels: [${key.channels.map(quoted).join(", ")}]`);
  if (key.notBefore) lines.push(`${rest}notBefore: ${key.notBefore}`);
  if (key.notAfter) lines.push(`${rest}notAfter: ${key.notAfter}`);
  return lines;
}

// quoted is a text in double quotes, which YAML and JSON write the same.
const quoted = (text: string) => JSON.stringify(text);

const split = (text: string) => text.replace(/\r\n/g, "\n").replace(/\n$/, "").split("\n");
const join = (lines: string[]) => lines.join("\n") + "\n";

// A policy that a program has written is JSON.
const isJSON = (policy: string) => policy.trimStart().startsWith("{");

type Fields = Record<string, unknown>;
const isFields = (x: unknown): x is Fields => typeof x === "object" && x !== null && !Array.isArray(x);

function editJSON(policy: string, edit: (keys: Fields[]) => Fields[]): string | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(policy);
  } catch {
    return undefined;
  }
  if (!isFields(parsed)) return undefined;
  const keys: unknown = parsed.keys ?? [];
  if (!Array.isArray(keys) || !keys.every(isFields)) return undefined;
  return JSON.stringify({ ...parsed, keys: edit(keys) }, null, 2) + "\n";
}

function jsonKey({ owner, pem, channels, notBefore, notAfter }: NewKey): Fields {
  return { owner, pem: pem.trim() + "\n", channels: channels.length > 0 ? channels : undefined, notBefore, notAfter };
}
