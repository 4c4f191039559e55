import { Button, List, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { ask, client } from "../../api/client";
import { useMay } from "../../api/session";
import { Facts } from "../../components/Facts";
import { DownloadIcon, RefreshIcon } from "../../components/icons";
import { Page, Section } from "../../components/Page";
import { Shown } from "../../components/States";
import { useFormat } from "../../format";
import { useText } from "../../text";
import { Findings } from "./Findings";

// Diagnostics says what is wrong with the store, and has the file for whoever helps.
export default function Diagnostics() {
  const t = useText().settings.diagnostics;
  const may = useMay("diagnostics.read");
  return (
    <Page title={t.title} about={t.about}>
      <Doctor />
      {may && <Bundle />}
      <Version />
    </Page>
  );
}

function Doctor() {
  const t = useText().settings.diagnostics;
  const f = useFormat();
  const query = useQuery({ queryKey: ["system", "doctor"], queryFn: () => ask(client.GET("/api/v1/doctor")) });
  const again = (
    <Button variant="default" leftSection={<RefreshIcon size={16} />} loading={query.isFetching} onClick={() => void query.refetch()}>
      {t.again}
    </Button>
  );
  return (
    <Section title={t.doctor} about={query.dataUpdatedAt > 0 ? t.looked(f.time(query.dataUpdatedAt)) : undefined} actions={again}>
      <Shown query={query}>{(list) => <Findings list={(list ?? []).map((x) => ({ level: x.level, about: x.what, what: x.is, act: x.mend }))} />}</Shown>
    </Section>
  );
}

function Bundle() {
  const t = useText().settings.diagnostics;
  const download = (
    <Button component="a" href="/api/v1/diagnostics" download="landfall-diagnostics.tar.gz" leftSection={<DownloadIcon size={16} />}>
      {t.download}
    </Button>
  );
  return (
    <Section title={t.bundle} about={t.bundleAbout} actions={download}>
      <List size="sm" spacing={2}>
        <List.Item>{t.inProgram}</List.Item>
        <List.Item>{t.inConfig}</List.Item>
        <List.Item>{t.inHost}</List.Item>
        <List.Item>{t.inStore}</List.Item>
        <List.Item>{t.inJobs}</List.Item>
        <List.Item>{t.inLog}</List.Item>
      </List>
      <Text size="sm" mt="sm">
        {t.secrets}
      </Text>
    </Section>
  );
}

function Version() {
  const t = useText().settings.diagnostics;
  const query = useQuery({ queryKey: ["system", "version"], queryFn: () => ask(client.GET("/api/v1/system/version")) });
  return (
    <Section title={t.version}>
      <Shown query={query}>
        {(v) => (
          <Facts
            items={[
              [t.program, v.version],
              [t.api, v.api],
            ]}
          />
        )}
      </Shown>
    </Section>
  );
}
