import { Button, Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { ask, client, type Schema } from "../../api/client";
import { useMay } from "../../api/session";
import { CodeBlock, CopyButton } from "../../components/Copy";
import { Facts } from "../../components/Facts";
import { DownloadIcon } from "../../components/icons";
import { Section } from "../../components/Page";
import { Shown } from "../../components/States";
import { useFormat } from "../../format";
import { useText } from "../../text";
import { fetchAuthority, hostOf, type Kind } from "./commands";

// Authority says which certificate hosts have to trust, and how one makes sure of it.
export function Authority({ kind, registry }: { kind: Kind; registry: string }) {
  const t = useText().hosts;
  const may = useMay("system.read");
  const query = useQuery({ queryKey: ["tls"], queryFn: () => ask(client.GET("/api/v1/tls")), enabled: may });
  if (!may) return null;
  return (
    <Section title={t.certificate}>
      <Shown query={query}>{(status) => <Told kind={kind} registry={registry} status={status} />}</Shown>
    </Section>
  );
}

function Told({ kind, registry, status }: { kind: Kind; registry: string; status: Schema<"CertsStatus"> }) {
  const t = useText().hosts;
  const f = useFormat();
  const { authority } = status;
  if (status.source !== "own") return <Text size="sm">{t.certificateCustom}</Text>;
  const secure = registry.startsWith("https://");
  const place = t.placeText[kind];
  return (
    <Stack gap="sm">
      <Text size="sm">{secure ? t.certificateOwn : `${t.certificatePlain} ${t.certificateElsewhere}`}</Text>
      <Facts
        items={[
          [
            t.fingerprint,
            <Group key="fingerprint" gap={4} wrap="nowrap">
              <Text span size="sm" ff="monospace">
                {authority.fingerprint}
              </Text>
              <CopyButton value={authority.fingerprint} what={t.fingerprint} />
            </Group>,
          ],
          [t.validUntil, f.date(authority.validUntil)],
          [t.place, typeof place === "function" ? place(hostOf(registry)) : place],
        ]}
      />
      <Group>
        <Button component="a" href="/api/v1/tls/ca.pem" download="ca.pem" variant="default" leftSection={<DownloadIcon size={16} />}>
          {t.downloadCa}
        </Button>
      </Group>
      {secure && <CodeBlock label={t.compare} value={fetchAuthority(registry)} />}
    </Stack>
  );
}
