import { Alert, Badge, Code, Group, Progress, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { ask, client, type Schema } from "../../api/client";
import { useMay } from "../../api/session";
import { Facts } from "../../components/Facts";
import { Page, Section } from "../../components/Page";
import { Shown } from "../../components/States";
import { useFormat } from "../../format";
import { useText } from "../../text";
import { ValueTable } from "./runtime/Configuration";
import { SettingsForm } from "./runtime/SettingsForm";
import { useEffective } from "./runtime/values";

// Storage shows the disks, what uploads may take, and when the store is cared for.
export default function Storage() {
  const t = useText().settings.storage;
  const mayRead = useMay("settings.read");
  const disks = useQuery({ queryKey: ["system", "storage"], queryFn: () => ask(client.GET("/api/v1/system/storage")) });
  return (
    <Page title={t.title} about={t.about}>
      <Section title={t.disks} about={t.disksAbout}>
        <Shown query={disks}>
          {(list) => (
            <Stack gap="lg">
              {(list ?? []).map((fs) => (
                <Disk key={fs.folder} of={fs} />
              ))}
            </Stack>
          )}
        </Shown>
      </Section>
      {mayRead && <SettingsForm parts={[{ title: t.uploads, about: t.uploadsAbout, wanted: (n) => n.startsWith("uploads.") }]} />}
      {mayRead && <Care />}
    </Page>
  );
}

function Disk({ of: fs }: { of: Schema<"FileSystem"> }) {
  const t = useText().settings.storage;
  const f = useFormat();
  const share = fs.totalBytes > 0 ? 1 - fs.availableBytes / fs.totalBytes : 0;
  const inodes = fs.inodes > 0 && t.of(f.count(fs.freeInodes), f.count(fs.inodes));
  return (
    <Stack gap={6}>
      <Group gap="xs">
        <Code>{fs.folder}</Code>
        {fs.readOnly && (
          <Badge color="red" variant="light" style={{ textTransform: "none" }}>
            {t.readOnly}
          </Badge>
        )}
      </Group>
      {fs.problem && <Alert color="red">{fs.problem}</Alert>}
      <Progress value={100 * share} color={share > 0.9 ? "red" : "indigo"} size="lg" aria-label={t.used(fs.folder)} />
      <Text size="sm">{t.room(f.bytes(fs.availableBytes), f.bytes(fs.totalBytes), f.percent(share))}</Text>
      <Facts
        items={[
          [t.mounted, fs.mountPoint],
          [t.device, fs.device],
          [t.type, fs.type],
          [t.inodes, inodes],
        ]}
      />
    </Stack>
  );
}

// Care is when the store is read again, collected and cleaned up: it needs a restart
// to be changed.
function Care() {
  const t = useText().settings.storage;
  const query = useEffective();
  const wanted = (name: string) => name.startsWith("store.") || ["uploads.perUserQuota", "uploads.keepFree", "uploads.keepWhole", "jobs.history"].includes(name);
  return (
    <Section title={t.care} about={t.careAbout}>
      <Shown query={query}>{(list) => <ValueTable label={t.care} rows={(list ?? []).filter((f) => wanted(f.name))} />}</Shown>
    </Section>
  );
}
