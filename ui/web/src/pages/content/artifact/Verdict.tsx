import { Alert, List, Stack, Text, type MantineColor } from "@mantine/core";
import type { Schema } from "../../../api/client";
import { CheckIcon, ErrorIcon, InfoIcon, ShieldIcon, WarningIcon } from "../../../components/icons";
import { Section } from "../../../components/Page";
import { useText } from "../../../text";
import type { Artifact } from "./index";

type State = Schema<"SignatureVerdict">["state"];

const looks: Record<State, { color: MantineColor; Icon: typeof CheckIcon }> = {
  verified: { color: "teal", Icon: ShieldIcon },
  unverified: { color: "red", Icon: ErrorIcon },
  unsigned: { color: "yellow", Icon: WarningIcon },
  unjudged: { color: "blue", Icon: InfoIcon },
};

// Verdict says what the signatures of an artifact are worth here. Where nobody asks
// for any, and there are none, there is nothing to say.
export function Verdict({ artifact: a }: { artifact: Artifact }) {
  const t = useText().content;
  const v = a.verdict;
  const signed = a.referrers?.some((r) => r.kind === "signature") ?? false;
  if (!v && !signed) return null;
  const { color, Icon } = looks[v?.state ?? "unjudged"];
  return (
    <Section title={t.verdict.title}>
      <Alert color={color} icon={<Icon />} title={v ? t.verdict.state[v.state] : t.verdict.notAsked}>
        <Stack gap={6}>
          <Text size="sm">{v ? t.verdict.means[v.state] : t.verdict.notAskedText}</Text>
          {v?.required && <Text size="sm">{t.verdict.required}</Text>}
          {v?.arrival && <Text size="sm">{t.verdict.arrival}</Text>}
          <Lines title={t.verdict.signers} lines={v?.signers ?? []} />
          <Lines title={t.verdict.problems} lines={v?.problems ?? []} />
        </Stack>
      </Alert>
    </Section>
  );
}

function Lines({ title, lines }: { title: string; lines: string[] }) {
  if (lines.length === 0) return null;
  return (
    <div>
      <Text size="sm" fw={600}>
        {title}
      </Text>
      <List size="sm">
        {lines.map((line, k) => (
          <List.Item key={k} style={{ overflowWrap: "anywhere" }}>
            {line}
          </List.Item>
        ))}
      </List>
    </div>
  );
}
