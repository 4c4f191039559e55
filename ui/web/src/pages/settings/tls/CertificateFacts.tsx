import { Code, Group, Text } from "@mantine/core";
import type { Schema } from "../../../api/client";
import { CopyButton } from "../../../components/Copy";
import { Facts } from "../../../components/Facts";
import { useFormat } from "../../../format";
import { useText } from "../../../text";

// CertificateFacts are what one compares before one trusts a certificate.
export function CertificateFacts({ certificate: c }: { certificate: Schema<"Certificate"> }) {
  const t = useText().settings.tls;
  const f = useFormat();
  const left = c.daysLeft < 0 ? t.endedFor(c.daysLeft === -1 ? 1 : -c.daysLeft) : t.daysLeft(c.daysLeft);
  return (
    <>
      <Facts
        items={[
          [t.subject, c.subject],
          [t.issuer, c.issuer !== c.subject && c.issuer],
          [t.ends, <Ends key="ends" text={`${f.time(c.validUntil)} (${left})`} bad={c.daysLeft < 14} />],
          [t.for, c.names?.join(", ")],
        ]}
      />
      <Text size="sm" c="dimmed" mt="sm">
        {t.fingerprint}
      </Text>
      <Group gap="xs" wrap="nowrap" align="flex-start">
        <Code style={{ overflowWrap: "anywhere" }}>{c.fingerprint}</Code>
        <CopyButton value={c.fingerprint} what={t.fingerprint} />
      </Group>
    </>
  );
}

function Ends({ text, bad }: { text: string; bad: boolean }) {
  return (
    <Text span fw={bad ? 700 : undefined}>
      {text}
    </Text>
  );
}
