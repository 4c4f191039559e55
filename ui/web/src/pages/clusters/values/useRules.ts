import { useFormat } from "../../../format";
import { useText } from "../../../text";
import type { Variable } from "./values";

// useRules says which rules a value has to keep, in a line.
export function useRules() {
  const t = useText().clusters.values.rule;
  const f = useFormat();
  return (v: Variable): string => {
    const rules = [
      v.format && t.format(v.format),
      v.pattern && t.pattern(v.pattern),
      v.min !== undefined && t.min(f.count(v.min)),
      v.max !== undefined && t.max(f.count(v.max)),
      (v.type === "list" || v.type === "object") && !v.allowed?.length && t.json,
      v.immutable && t.immutable,
      v.sensitive && t.sensitive,
    ];
    return rules.filter((r): r is string => !!r).join(", ");
  };
}
