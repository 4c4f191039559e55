import { Badge, type MantineColor } from "@mantine/core";
import { useText } from "../../text";
import type { Kind } from "./names";

const colors: Record<Kind, MantineColor> = { image: "blue", index: "indigo", chart: "cyan", signature: "teal", attestation: "grape", sbom: "violet", definition: "orange", other: "gray" };

// KindBadge says what an artifact is.
export function KindBadge({ kind }: { kind: Kind }) {
  const t = useText();
  return (
    <Badge color={colors[kind]} variant="light" style={{ textTransform: "none" }}>
      {t.content.kind[kind]}
    </Badge>
  );
}
