import { Anchor, Badge, Group, Stack, Text } from "@mantine/core";
import { Link } from "react-router";
import type { Schema } from "../../api/client";
import { Section } from "../../components/Page";
import { useFormat } from "../../format";
import { useText } from "../../text";
import classes from "./home.module.css";

type Status = Schema<"MirroringStatus">;

// Mirrors says how level the mirrors are.
export function Mirrors({ listing }: { listing: Schema<"Listing"> }) {
  const t = useText().home.mirrors;
  return (
    <Section
      title={t.title}
      actions={
        <Anchor component={Link} to="/mirrors" size="sm">
          {t.all}
        </Anchor>
      }
    >
      {listing.offline && (
        <Text size="sm" mb="xs">
          {t.offline}
        </Text>
      )}
      <ul className={classes.rows}>
        {(listing.mirrors ?? []).map((m) => (
          <One key={m.name} mirror={m} />
        ))}
      </ul>
    </Section>
  );
}

const colors: Record<string, string> = { running: "blue", waiting: "yellow", deferred: "yellow", done: "teal", partial: "orange", failed: "red" };

function One({ mirror }: { mirror: Status }) {
  const t = useText().home.mirrors;
  const f = useFormat();
  // What happens now counts more than how it ended last.
  const state = mirror.state === "idle" ? mirror.last?.state : mirror.state;
  const word = mirror.state !== "idle" ? t.state[mirror.state] : mirror.last ? t.ended[mirror.last.state] : t.state.idle;
  const about = [
    mirror.onDemand ? t.onDemand : mirror.last?.ended ? t.last(f.relative(mirror.last.ended)) : t.never,
    mirror.next && t.next(f.relative(mirror.next)),
  ];
  return (
    <li>
      <Stack gap={2}>
        <Group justify="space-between" gap="xs" wrap="nowrap">
          <Text fw={600} size="sm" style={{ overflowWrap: "anywhere" }}>
            {mirror.name}
          </Text>
          <Badge color={colors[state ?? ""] ?? "gray"} variant="light" style={{ textTransform: "none", flex: "none" }}>
            {word ?? mirror.state}
          </Badge>
        </Group>
        <Text size="sm" c="dimmed">
          {about.filter((x) => x).join(" · ")}
        </Text>
        {mirror.problem && <Text size="sm">{mirror.problem}</Text>}
      </Stack>
    </li>
  );
}
