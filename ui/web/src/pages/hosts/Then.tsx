import { Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { ask, client } from "../../api/client";
import { useMay } from "../../api/session";
import { CodeBlock } from "../../components/Copy";
import { Section } from "../../components/Page";
import { useText } from "../../text";
import { check, containerdConfig, restart, type Kind } from "./commands";

const none = "registry.k8s.io/pause:3.10";

// Then says what comes after the files are in place, and how one sees that it works.
export function Then({ kind, registry }: { kind: Kind; registry: string }) {
  const t = useText().hosts;
  const may = useMay("content.read");
  const example = useQuery({
    queryKey: ["content", "example"],
    enabled: may,
    queryFn: async () => {
      const page = await ask(client.GET("/api/v1/content/names", { params: { query: { limit: 100 } } }));
      const images = (page.items ?? []).filter((n) => n.kind === "image" || n.kind === "index");
      // A name that begins with a host is an original one.
      return (images.find((n) => /^[^/]*[.:]/.test(n.repository)) ?? images[0])?.name ?? "";
    },
  });
  const command = restart(kind);
  return (
    <>
      <Section title={t.after}>
        <Stack gap="sm">
          <Text size="sm">{t.afterText[kind]}</Text>
          {kind === "containerd" && <CodeBlock label="/etc/containerd/config.toml" value={containerdConfig} />}
          {command && <CodeBlock label={t.runThis} value={command} />}
        </Stack>
      </Section>
      <Section title={t.check} about={t.checkAbout}>
        <Stack gap="sm">
          <CodeBlock label={t.runThis} value={check(kind, registry, example.data || none)} />
          {!example.data && !example.isLoading && (
            <Text size="sm" c="dimmed">
              {t.checkExample}
            </Text>
          )}
        </Stack>
      </Section>
    </>
  );
}
