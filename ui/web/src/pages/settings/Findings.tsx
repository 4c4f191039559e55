import { Badge, Group, Stack, Text } from "@mantine/core";
import { useText } from "../../text";

const colors: Record<string, string> = { ok: "teal", note: "blue", warning: "yellow", error: "red", critical: "red" };
const order = ["critical", "error", "warning", "note", "ok"];

export type Finding = { level: string; about: string; what: string; act?: string };

// Findings are what was looked at, what was found, and what mends it; the worst first.
// The words are the appliance's own, and the same in every language.
export function Findings({ list }: { list: Finding[] }) {
  const t = useText().settings.findings;
  const sorted = [...list].sort((a, b) => order.indexOf(a.level) - order.indexOf(b.level));
  return (
    <Stack gap="sm" component="ul" p={0} m={0} style={{ listStyle: "none" }}>
      {sorted.map((f) => (
        <Group key={f.about + f.what} component="li" align="flex-start" gap="sm" wrap="nowrap">
          <Badge color={colors[f.level] ?? "gray"} variant="light" w={90} style={{ textTransform: "none", flexShrink: 0 }}>
            {t.level[f.level] ?? f.level}
          </Badge>
          <div style={{ minWidth: 0 }}>
            <Text size="sm" style={{ overflowWrap: "anywhere" }}>
              <Text span fw={600}>
                {named(t.about, f.about)}
              </Text>
              {": "}
              {f.what}
            </Text>
            {f.act && (
              <Text size="sm" c="dimmed">
                {t.act(f.act)}
              </Text>
            )}
          </div>
        </Group>
      ))}
    </Stack>
  );
}

// named is what was looked at in the language that is shown; a path after it stays.
function named(words: Record<string, string>, about: string): string {
  const known = Object.keys(words).find((word) => about === word || about.startsWith(`${word} `));
  return known === undefined ? about : `${words[known]}${about.slice(known.length)}`;
}
