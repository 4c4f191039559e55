import { Button, Group, Stack, Text } from "@mantine/core";
import type { Schema } from "../../api/client";
import { CodeBlock } from "../../components/Copy";
import { Folded } from "../../components/Folded";
import { DownloadIcon } from "../../components/icons";
import { Section } from "../../components/Page";
import { useText } from "../../text";
import { installScript, save, type File, type Kind } from "./commands";

// Files shows what goes to hosts: as one script, and file by file.
export function Files({ kind, registry, config }: { kind: Kind; registry: string; config: Schema<"NodeConfig"> }) {
  const t = useText().hosts;
  const files = config.files ?? [];
  const script = installScript(kind, registry, files);
  return (
    <>
      <Section
        title={t.script}
        about={t.scriptAbout}
        actions={
          <Button variant="default" leftSection={<DownloadIcon size={16} />} onClick={() => save(t.scriptLabel, script)}>
            {t.downloadScript}
          </Button>
        }
      >
        <CodeBlock label={t.scriptLabel} value={script} maxHeight={260} />
      </Section>
      <Section title={t.files} about={t.filesAbout(config.folder)}>
        <Stack gap="xs">
          {files.map((f) => (
            <OneFile key={f.path} file={f} />
          ))}
        </Stack>
      </Section>
    </>
  );
}

function OneFile({ file }: { file: File }) {
  const t = useText().hosts;
  const name = file.path.slice(file.path.lastIndexOf("/") + 1);
  return (
    <Folded title={file.path}>
      <Stack gap="xs">
        <Group gap="sm">
          <Text size="sm" c="dimmed">
            {t.mode(file.mode)}
          </Text>
          <Button size="compact-sm" variant="default" leftSection={<DownloadIcon size={14} />} onClick={() => save(name, file.content)}>
            {t.downloadFile(name)}
          </Button>
        </Group>
        <CodeBlock label={file.path} value={file.content} maxHeight={360} />
      </Stack>
    </Folded>
  );
}
