import type { Schema } from "../../../api/client";

export type Variable = Schema<"SitevaluesValue">;

// Draft is what is written for a variable: a text, or null to take the value back.
export type Draft = string | null;
export type Drafts = { [name: string]: Draft };

// isGiven says whether the site has said something to a variable.
export const isGiven = (v: Variable) => v.changed !== undefined;

// isSecret says whether a value is never shown.
export const isSecret = (v: Variable) => !!v.sensitive || !!v.sealed;

// asText is a value as a field has it: texts as they are, all else as JSON.
export function asText(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

// written is what a field shows: a draft, else what the site has given. A secret is
// never there.
export function written(v: Variable, draft: Draft | undefined): string {
  if (draft !== undefined) return draft ?? "";
  return isSecret(v) ? "" : asText(v.value);
}

// draftOf is what writing a text comes to: nothing when that is what was there. An
// empty text takes a value back; a secret's only keeps it.
export function draftOf(v: Variable, text: string): Draft | undefined {
  if (text === "") return isSecret(v) || !isGiven(v) ? undefined : null;
  return !isSecret(v) && isGiven(v) && text === asText(v.value) ? undefined : text;
}

// NoJSON says that a text is none.
export class NoJSON extends Error {}

// valueOf is the value of a text. What is no number is left as it is: the appliance
// names the rule that it breaks.
export function valueOf(v: Pick<Variable, "type">, text: string): unknown {
  switch (v.type) {
    case "integer":
      return /^\s*-?\d+\s*$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : text;
    case "number":
      return text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
    case "boolean":
      return text === "true" ? true : text === "false" ? false : text;
    case "list":
    case "object":
      try {
        return JSON.parse(text);
      } catch {
        throw new NoJSON();
      }
  }
  return text;
}

// elementsOf are the texts of a list's elements. What is none, like a value from a time
// when the variable was no list, is its one element.
export function elementsOf(text: string): string[] {
  if (text === "") return [];
  try {
    const value: unknown = JSON.parse(text);
    return (Array.isArray(value) ? value : [text]).map(asText);
  } catch {
    return [text];
  }
}

export type Plan = { set: { [name: string]: unknown }; unset: string[]; noJson: string[] };

// planOf is what drafts change, and which of them are no JSON where that is wanted.
export function planOf(list: Variable[], drafts: Drafts): Plan {
  const plan: Plan = { set: {}, unset: [], noJson: [] };
  for (const v of list) {
    const draft = drafts[v.name];
    if (draft === undefined) continue;
    if (draft === null) {
      plan.unset.push(v.name);
      continue;
    }
    try {
      plan.set[v.name] = valueOf(v, draft);
    } catch (e) {
      if (!(e instanceof NoJSON)) throw e;
      plan.noJson.push(v.name);
    }
  }
  return plan;
}

// hiddenIn are the names of variables that are hidden in a newer version or, when that
// has none of the name, in an older one.
export function hiddenIn(newer: Variable[], older: Variable[]): Set<string> {
  const declared = newer.filter((v) => v.state !== "unknown");
  const known = new Set(declared.map((v) => v.name));
  return new Set([...declared, ...older.filter((v) => !known.has(v.name))].filter((v) => v.hidden).map((v) => v.name));
}

export type Group = Schema<"ProfileGroup">;

// grouped sorts variables by their groups, in the order of these; those without one, or
// with one that was not declared, are under undefined, last.
export function grouped(list: Variable[], groups: Group[]): [Group | undefined, Variable[]][] {
  const known = new Set(groups.map((g) => g.name));
  const of = (name: string | undefined) => list.filter((v) => (v.group && known.has(v.group) ? v.group : undefined) === name);
  const all: [Group | undefined, Variable[]][] = [...groups.map((g): [Group, Variable[]] => [g, of(g.name)]), [undefined, of(undefined)]];
  return all.filter(([, members]) => members.length > 0);
}
