import { Badge, type MantineColor } from "@mantine/core";
import { useText } from "../../../text";
import type { Variable } from "./values";

const colors: Record<Variable["state"], MantineColor> = { default: "gray", given: "teal", missing: "red", invalid: "red", unreadable: "red", unknown: "yellow" };

// ValueState says whose value is in force, or what is wrong with it.
export function ValueState({ variable: v }: { variable: Variable }) {
  const t = useText().clusters.values;
  return (
    <Badge color={colors[v.state]} variant="light">
      {t.state[v.state] ?? v.state}
    </Badge>
  );
}
