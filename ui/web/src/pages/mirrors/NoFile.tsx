import { Stack, Text } from "@mantine/core";
import { CodeBlock } from "../../components/Copy";
import { MirrorIcon } from "../../components/icons";
import { Section } from "../../components/Page";
import { Empty } from "../../components/States";
import { useText } from "../../text";

const example = `version: 1
mirrors:
  - name: base
    source: registry.k8s.io/pause
    tags: {regex: "^3\\\\."}
    platforms: [linux/amd64]
    schedule: "0 2 * * *"
`;

// NoFile teaches what a mirror file is, where an appliance has none.
export function NoFile() {
  const t = useText().mirrors;
  return (
    <Section title={t.file}>
      <Stack>
        <Empty icon={<MirrorIcon />} title={t.noFile}>
          {t.noFileText}
        </Empty>
        <Text size="sm">{t.noFileSteps}</Text>
        <CodeBlock label={t.example} value={example} />
        <CodeBlock label={t.start} value="landfall serve --mirror /etc/landfall/mirror.yaml" />
        <CodeBlock label={t.orSetting} value="mirror: /etc/landfall/mirror.yaml" />
        <Text size="sm" c="dimmed">
          {t.schemaHint}
        </Text>
      </Stack>
    </Section>
  );
}
