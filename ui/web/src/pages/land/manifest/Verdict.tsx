import { Alert, Stack, Text } from "@mantine/core";
import type { Schema } from "../../../api/client";
import { useMay } from "../../../api/session";
import { CheckIcon, ErrorIcon, WarningIcon } from "../../../components/icons";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import { signerName } from "../signers";

type Inspection = Schema<"Inspection">;
type Told = { color: string; icon: typeof CheckIcon; title: string; lines: string[] };

// forPrograms is what a refusal says of how to override it on a command line.
const forPrograms = /; if it has to be let in all the same, say why with --override$/;

// Verdict says whether the site would let something in, and why.
export function Verdict({ seen }: { seen: Inspection }) {
  const { color, icon: Icon, title, lines } = useTold(seen);
  return (
    <Alert color={color} icon={<Icon />} title={title}>
      {lines.length > 0 && (
        <Stack gap={4}>
          {lines.map((line) => (
            <Text size="sm" key={line} style={{ overflowWrap: "anywhere" }}>
              {line}
            </Text>
          ))}
        </Stack>
      )}
    </Alert>
  );
}

function useTold(seen: Inspection): Told {
  const t = useText().land.review;
  const f = useFormat();
  const may = useMay("bundles.write");
  if (seen.unnamed) return { color: "yellow", icon: WarningIcon, title: t.unnamed, lines: may ? [t.unnamedText] : [] };
  if (seen.refused) {
    const hint = seen.overridable ? (may ? t.overridable : t.overridableAsk) : t.refusedText;
    return { color: seen.overridable ? "orange" : "red", icon: ErrorIcon, title: seen.wants ? t.missing : t.refused, lines: [seen.refused.replace(forPrograms, ""), hint] };
  }
  const signers = seen.verdict?.signers ?? [];
  const warnings = (seen.verdict?.warnings ?? []).filter((w) => w !== "");
  if (signers.length > 0) return { color: warnings.length > 0 ? "yellow" : "teal", icon: warnings.length > 0 ? WarningIcon : CheckIcon, title: t.letIn(f.list(signers.map((s) => signerName(s, t)))), lines: warnings };
  return { color: "yellow", icon: WarningIcon, title: t.letInUnsigned, lines: [t.letInUnsignedText, ...warnings] };
}

// Room says whether something fits.
export function Room({ seen }: { seen: Inspection }) {
  const t = useText().land.review;
  const f = useFormat();
  const need = f.bytes(seen.new);
  const free = f.bytes(seen.free);
  if (seen.new > seen.free) {
    return (
      <Alert color="red" icon={<ErrorIcon />} title={t.tooLarge(need, free)}>
        <Text size="sm">{t.freeSpace}</Text>
      </Alert>
    );
  }
  return <Text size="sm">{seen.new === 0 ? t.nothingNew(free) : t.fits(need, free)}</Text>;
}
