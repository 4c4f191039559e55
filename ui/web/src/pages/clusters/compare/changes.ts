import type { Schema } from "../../../api/client";

type Difference = Schema<"DefinitionDifference">;
export type FieldChange = Schema<"DefinitionChange">;
export type ChangeRow = { key: string; kind: "definition" | "layer" | "variable"; name: string; change: string; fields: FieldChange[] };

// rowsOf are the changes of a difference beside its images, a row for each layer and
// variable, and one for what is of the definition itself.
export function rowsOf(d: Difference): ChangeRow[] {
  const row = (kind: ChangeRow["kind"], name: string, change: string, fields: FieldChange[] | null | undefined): ChangeRow => ({ key: `${kind} ${name}`, kind, name, change, fields: fields ?? [] });
  const own = d.fields ?? [];
  return [
    ...(own.length > 0 ? [row("definition", "", "changed", own)] : []),
    ...(d.layers ?? []).map((l) => row("layer", l.name, l.change, l.fields)),
    ...(d.variables ?? []).map((v) => row("variable", v.name, v.change, v.fields)),
  ];
}

// isSame says that nothing changes.
export const isSame = (d: Difference) => rowsOf(d).length === 0 && (d.images ?? []).length === 0;

const most = 120;

// valueText is a value of a field in a line: JSON, and texts without their quotes. Of a
// long one it has the beginning. undefined where there is none.
export function valueText(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > most ? text.slice(0, most) + "…" : text;
}
