import { Anchor, Group, Stack, Text } from "@mantine/core";
import { Link } from "react-router";
import type { Schema } from "../../api/client";
import { Section } from "../../components/Page";
import { DriveIcon } from "../../components/icons";
import { Shown } from "../../components/States";
import { useFormat } from "../../format";
import { useText } from "../../text";
import classes from "./home.module.css";
import { landable, useDriveName, type useDrives } from "./plugged";

type Drive = Schema<"Drive">;

// Drives are those that are plugged in, with what could land from them.
export function Drives({ query }: { query: ReturnType<typeof useDrives> }) {
  const t = useText().home.drives;
  return (
    <Section
      title={t.title}
      actions={
        (query.data?.length ?? 0) > 0 && (
          <Anchor component={Link} to="/land" size="sm">
            {t.go}
          </Anchor>
        )
      }
    >
      <Shown query={query}>
        {(drives) =>
          drives.length === 0 ? (
            <Text c="dimmed" size="sm">
              {t.none}
            </Text>
          ) : (
            <ul className={classes.rows}>
              {drives.map((d) => (
                <One key={d.id} drive={d} />
              ))}
            </ul>
          )
        }
      </Shown>
    </Section>
  );
}

const few = 2;

function One({ drive }: { drive: Drive }) {
  const t = useText().home.drives;
  const f = useFormat();
  const name = useDriveName();
  const files = landable(drive);
  const busy = (drive.readers ?? []).length > 0;
  const about = [drive.size ? f.bytes(drive.size) : undefined, t.state[drive.state] ?? drive.state, busy ? t.busy : undefined, drive.state === "ready" ? t.found(files.length, f.count(files.length)) : undefined];
  return (
    <li>
      <Group gap="sm" wrap="nowrap" align="flex-start">
        <DriveIcon style={{ flex: "none" }} />
        <Stack gap={2} style={{ minWidth: 0, overflowWrap: "anywhere" }}>
          <Text fw={600} size="sm">
            {name(drive)}
          </Text>
          <Text size="sm" c="dimmed">
            {about.filter((x) => x).join(" · ")}
          </Text>
          {drive.reason && <Text size="sm">{drive.reason}</Text>}
          {files.slice(0, few).map((c) => (
            <Text size="sm" key={c.id}>
              {c.name}, {f.bytes(c.size)}
            </Text>
          ))}
          {files.length > few && <Text size="sm">{t.more(f.count(files.length - few))}</Text>}
        </Stack>
      </Group>
    </li>
  );
}
