import { Alert, Group, Loader, Stack, Text } from "@mantine/core";
import { OutlineError } from "../../../bundle/outline";
import type { Cargo } from "../../../bundle/sort";
import { ErrorIcon, WarningIcon } from "../../../components/icons";
import { Folded } from "../../../components/Folded";
import { Trouble } from "../../../components/States";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import { Arrivals } from "../manifest/Arrivals";
import { Missing } from "../manifest/Missing";
import { Room, Verdict } from "../manifest/Verdict";
import { What } from "../manifest/What";
import { useLook } from "./look";

// Preview shows what cargo is and what would come of it here, before it is sent.
export function Preview({ cargo }: { cargo: Cargo }) {
  const t = useText().land.cargo;
  const f = useFormat();
  if (cargo.kind === "signature") return <Text size="sm">{t.signature}</Text>;
  if (cargo.kind !== "bundle") return <Text size="sm">{t.archive}</Text>;
  return (
    <Stack gap="sm">
      {cargo.missing.length > 0 && (
        <Alert color="yellow" icon={<WarningIcon />} title={t.missing(f.list(cargo.missing.map((n) => String(n).padStart(3, "0"))))} />
      )}
      {cargo.missing.length === 0 && <Outlined cargo={cargo} />}
    </Stack>
  );
}

function Outlined({ cargo }: { cargo: Cargo }) {
  const text = useText();
  const t = text.land.cargo;
  const { outline, inspection } = useLook(cargo);
  if (outline.error) return <Broken error={outline.error} />;
  if (!outline.data || inspection.isPending) {
    return (
      <Group gap="sm" role="status">
        <Loader size="xs" aria-hidden="true" />
        <Text size="sm">{outline.data ? text.land.review.asks : t.outline}</Text>
      </Group>
    );
  }
  if (!inspection.data) return <Trouble error={inspection.error} title={t.cannotAsk} again={() => void inspection.refetch()} />;
  const seen = inspection.data;
  return (
    <Stack gap="sm">
      <Verdict seen={seen} />
      <Room seen={seen} />
      <Folded title={t.everything}>
        <Stack>
          <Arrivals names={seen.names ?? []} />
          {seen.wants && <Missing wants={seen.wants} />}
          <What seen={seen} />
        </Stack>
      </Folded>
    </Stack>
  );
}

function Broken({ error }: { error: Error }) {
  const t = useText().land.cargo;
  if (!(error instanceof OutlineError)) return <Trouble error={error} />;
  return <Alert color={error.why === "large" ? "yellow" : "red"} icon={<ErrorIcon />} title={t[error.why]} role="alert" />;
}
