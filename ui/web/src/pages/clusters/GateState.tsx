import { Badge, type MantineColor } from "@mantine/core";
import { useText } from "../../text";

export const colors: { [state: string]: MantineColor } = { complete: "teal", refused: "orange", moved: "yellow", missing: "red", damaged: "red" };

// GateState is a state that the closure gate finds, by its word and a colour.
export function GateState({ state }: { state: string }) {
  const t = useText().clusters;
  return (
    <Badge color={colors[state] ?? "gray"} variant="light">
      {t.state[state] ?? state}
    </Badge>
  );
}
