import { Anchor, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { ask, client } from "../../api/client";
import { useMay } from "../../api/session";
import { CodeBlock } from "../../components/Copy";
import { Section } from "../../components/Page";
import { useText } from "../../text";
import { credentials, type Kind } from "./commands";

// Credentials says whether hosts need any, and where they go. Not everybody may read
// the setting that decides.
export function Credentials({ kind, registry }: { kind: Kind; registry: string }) {
  const t = useText().hosts;
  const mayRead = useMay("settings.read");
  const mayMake = useMay("tokens.write");
  const query = useQuery({ queryKey: ["settings"], queryFn: () => ask(client.GET("/api/v1/settings")), enabled: mayRead });
  const anonymous = query.data?.settings?.find((s) => s.name === "registry.anonymousPull")?.value;
  const how = credentials(kind, registry);
  return (
    <Section title={t.credentials}>
      <Stack gap="sm">
        <Text size="sm">{anonymous === true ? t.credentialsNone : anonymous === false ? t.credentialsNeeded : t.credentialsUnknown}</Text>
        {mayMake && anonymous !== true && (
          <Text size="sm">
            <Anchor component={Link} to="/settings/tokens">
              {t.robots}
            </Anchor>
          </Text>
        )}
        {anonymous !== true && (
          <>
            <Text size="sm" c="dimmed">
              {t.credentialsHow[kind]} {how.inFiles && t.credentialsAgain}
            </Text>
            {how.make && <CodeBlock label={t.makeValue} value={how.make} />}
            <CodeBlock value={how.value} label={t.credentials} />
          </>
        )}
      </Stack>
    </Section>
  );
}
