import { Anchor, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { ask, client } from "../../../api/client";
import { CodeBlock } from "../../../components/Copy";
import { Section } from "../../../components/Page";
import { Shown } from "../../../components/States";
import { useText } from "../../../text";

// Policy shows which tags the site keeps. It is tried, changed and applied in the
// settings.
export function Policy() {
  const t = useText().content.space;
  const query = useQuery({ queryKey: ["content", "policyText"], queryFn: () => ask(client.GET("/api/v1/content/policy")) });
  return (
    <Section title={t.policy} about={t.policyText}>
      <Shown query={query}>
        {({ text }) => (
          <Stack gap="sm">
            {text.trim() === "" ? <Text size="sm">{t.policyNone}</Text> : <CodeBlock label={t.policyYaml} value={text} maxHeight={320} />}
            <Text size="sm">
              <Anchor component={Link} to="/settings/retention" underline="always">
                {t.policyLink}
              </Anchor>
            </Text>
          </Stack>
        )}
      </Shown>
    </Section>
  );
}
