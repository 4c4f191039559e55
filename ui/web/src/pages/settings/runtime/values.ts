import { useQuery } from "@tanstack/react-query";
import { ask, client, type Schema } from "../../../api/client";
import { useText } from "../../../text";

export type Setting = Schema<"Setting">;
// Value is what a setting can be; sizes and times are texts like 64MiB and 7d.
export type Value = boolean | string | string[];

// valueOf reads what the document says nothing of: the value of a setting.
export function valueOf(raw: unknown): Value {
  if (typeof raw === "boolean" || typeof raw === "string") return raw;
  if (Array.isArray(raw)) return raw.map(String);
  return raw === null || raw === undefined ? "" : String(raw);
}

export const same = (a: Value, b: Value) => JSON.stringify(a) === JSON.stringify(b);

// useSettings has what can be changed while the appliance runs.
export const useSettings = () => useQuery({ queryKey: ["settings", "runtime"], queryFn: () => ask(client.GET("/api/v1/settings")) });

// useEffective has the whole configuration.
export const useEffective = (enabled = true) =>
  useQuery({ queryKey: ["settings", "effective"], enabled, queryFn: () => ask(client.GET("/api/v1/settings/effective")) });

// useShow writes a value for people.
export function useShow() {
  const t = useText();
  return (name: string, value: Value): string => {
    if (typeof value === "boolean") return value ? t.common.yes : t.common.no;
    if (value.length === 0) return t.settings.empty;
    if (typeof value !== "string") return value.join(", ");
    return t.settings.choices[`${name}.${value}`] ?? value;
  };
}

// useOrigin says where a value comes from.
export function useOrigin() {
  const t = useText().settings.origin;
  return (origin: Schema<"Origin">) => {
    const place = origin.place ?? "";
    if (origin.kind === "file") return t.file(place);
    if (origin.kind === "env") return t.env(place);
    if (origin.kind === "flag") return t.flag(place);
    return origin.kind === "setting" ? t.setting : t.default;
  };
}
