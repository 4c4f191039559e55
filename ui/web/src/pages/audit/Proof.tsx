import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { ask, client, type Schema } from "../../api/client";
import { CodeBlock } from "../../components/Copy";
import { CheckIcon, DownloadIcon, ErrorIcon, ShieldIcon } from "../../components/icons";
import { Section } from "../../components/Page";
import { Trouble } from "../../components/States";
import { useFormat } from "../../format";
import { useText } from "../../text";

// Proof proves that no entry was changed, here or with an export elsewhere.
export function Proof() {
  const t = useText().audit;
  const verify = useMutation({ mutationFn: () => ask(client.POST("/api/v1/audit/verify")) });
  return (
    <Section title={t.prove} about={t.proveAbout}>
      <Stack gap="sm">
        <Group gap="xs">
          <Button leftSection={<ShieldIcon size={16} />} loading={verify.isPending} onClick={() => verify.mutate()}>
            {t.verify}
          </Button>
          <Button component="a" href="/api/v1/audit/export" download variant="default" leftSection={<DownloadIcon size={16} />}>
            {t.export}
          </Button>
        </Group>
        {verify.error && <Trouble error={verify.error} again={() => verify.mutate()} />}
        {verify.data && <Verdict verdict={verify.data} />}
        <Text size="sm" c="dimmed">
          {t.verifyText} {t.exportText} {t.exportProof}
        </Text>
        <CodeBlock value="landfall audit verify audit.jsonl" label={t.verify} />
      </Stack>
    </Section>
  );
}

function Verdict({ verdict }: { verdict: Schema<"AuditVerdict"> }) {
  const t = useText().audit;
  const f = useFormat();
  if (!verdict.whole) {
    return (
      <Alert color="red" icon={<ErrorIcon />} title={t.broken} role="alert">
        <Text size="sm">{verdict.broken}</Text>
        <Text size="sm">{t.brokenText}</Text>
      </Alert>
    );
  }
  return (
    <Alert color="teal" icon={<CheckIcon />} role="status">
      <Text size="sm">
        {t.whole(f.count(verdict.entries))} {verdict.last && t.wholeLast(f.time(verdict.last))}
      </Text>
      <Text size="xs" ff="monospace" style={{ overflowWrap: "anywhere" }}>
        {t.hash}: {verdict.hash}
      </Text>
    </Alert>
  );
}
