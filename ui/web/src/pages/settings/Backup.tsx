import { Alert, List, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { useMay } from "../../api/session";
import { CodeBlock } from "../../components/Copy";
import { Page, Section } from "../../components/Page";
import { useText } from "../../text";
import { useEffective, valueOf } from "./runtime/values";

const defaultData = "/var/lib/landfall";

// Backup says how the site is copied elsewhere and made again: with the program, since
// a browser cannot write the folder.
export default function Backup() {
  const t = useText().settings.backup;
  const [folder, setFolder] = useState("/mnt/backup/landfall");
  const query = useEffective(useMay("settings.read"));
  const data = String(valueOf(query.data?.find((f) => f.name === "data")?.value) || defaultData);
  return (
    <Page title={t.title} about={t.about}>
      <TextInput label={t.folder} description={t.folderAbout} value={folder} onChange={(e) => setFolder(e.currentTarget.value)} maw={480} spellCheck={false} autoComplete="off" />
      <Take folder={word(folder)} data={word(data)} />
      <What data={data} />
      <Restore folder={word(folder)} data={word(data)} />
    </Page>
  );
}

// word is a text as one word of a shell.
function word(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replace(/'/g, `'\\''`)}'`;
}

function Take({ folder, data }: { folder: string; data: string }) {
  const t = useText().settings.backup;
  const secure = location.protocol === "https:";
  const server = `landfall content backup ${folder} --server ${location.origin} --token-file token.txt${secure ? " --ca landfall-ca.pem" : ""}`;
  return (
    <Section title={t.take} about={t.takeAbout}>
      <Stack>
        <CodeBlock label={t.here} value={`landfall content backup ${folder} --data ${data}`} />
        <Text size="sm" c="dimmed">
          {t.hereAbout}
        </Text>
        <CodeBlock label={t.there} value={server} />
        <Text size="sm" c="dimmed">
          {t.thereAbout} {secure && t.ca}
        </Text>
        <CodeBlock label={t.regular} value={`15 2 * * *  root  landfall content backup ${folder} --data ${data}`} />
        <Text size="sm" c="dimmed">
          {t.regularAbout}
        </Text>
      </Stack>
    </Section>
  );
}

function What({ data }: { data: string }) {
  const t = useText().settings.backup;
  return (
    <Section title={t.what}>
      <List size="sm" spacing={4}>
        <List.Item>{t.has}</List.Item>
        <List.Item>{t.hasNot(`${data}/tls`)}</List.Item>
        <List.Item>{t.secret}</List.Item>
      </List>
    </Section>
  );
}

function Restore({ folder, data }: { folder: string; data: string }) {
  const t = useText().settings.backup;
  return (
    <Section title={t.restore} about={t.restoreAbout}>
      <Stack>
        <List type="ordered" size="sm" spacing={4}>
          <List.Item>{t.step1}</List.Item>
          <List.Item>{t.step2}</List.Item>
          <List.Item>{t.step3}</List.Item>
          <List.Item>{t.step4}</List.Item>
        </List>
        <CodeBlock label={t.restoreCommand} value={`landfall content restore ${folder} --data ${data}`} />
        <Alert color="blue">{t.damaged}</Alert>
      </Stack>
    </Section>
  );
}
