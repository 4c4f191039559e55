import { Anchor, Stack, Text } from "@mantine/core";
import { Link } from "react-router";
import type { Schema } from "../../api/client";
import { useMay, useSession } from "../../api/session";
import { Section } from "../../components/Page";
import { Shown } from "../../components/States";
import { useFormat } from "../../format";
import { useText } from "../../text";
import { Collection } from "./Collection";
import classes from "./home.module.css";
import { useHost, useStats } from "./queries";

// Storage says what the disk is full of, and what could go.
export function Storage() {
  const t = useText();
  const stats = useStats();
  const host = useHost();
  const may = useMay("content.read");
  const { restricted } = useSession();
  return (
    <Section
      title={t.home.storage.title}
      actions={
        may &&
        !restricted && (
          <Anchor component={Link} to="/content/space" size="sm">
            {t.home.act.space}
          </Anchor>
        )
      }
    >
      <Shown query={stats}>
        {(s) => (
          <Stack>
            <Disk stats={s} total={host.data?.storage?.[0]?.totalBytes} />
            {may && !restricted && <Collection />}
          </Stack>
        )}
      </Shown>
    </Section>
  );
}

type Part = { name: "content" | "trash" | "other" | "free"; bytes: number; about?: string };

// Disk is a bar of what the disk has, with the numbers below it.
function Disk({ stats, total }: { stats: Schema<"Stats">; total?: number }) {
  const t = useText().home.storage;
  const f = useFormat();
  const known = stats.blobBytes + stats.trashBytes + stats.freeBytes;
  const all = Math.max(total ?? 0, known, 1);
  const parts: Part[] = [
    { name: "content", bytes: stats.blobBytes, about: t.counted(f.count(stats.tags), f.count(stats.repositories), f.count(stats.blobs)) },
    { name: "trash", bytes: stats.trashBytes, about: stats.trashBlobs > 0 ? t.trashText(f.count(stats.trashBlobs)) : undefined },
    { name: "other", bytes: all - known },
    { name: "free", bytes: stats.freeBytes },
  ];
  const shown = parts.filter((p) => p.bytes > 0 || p.name === "content" || p.name === "free");
  const share = (p: Part) => t.share(f.bytes(p.bytes), f.percent(p.bytes / all));
  return (
    <Stack gap="sm">
      <div className={classes.bar} role="img" aria-label={`${t.bar}: ${shown.map((p) => `${t[p.name]} ${share(p)}`).join(", ")}`}>
        {shown
          .filter((p) => p.bytes > 0)
          .map((p) => (
            <span key={p.name} className={classes[p.name]} style={{ width: `${(100 * p.bytes) / all}%` }} />
          ))}
      </div>
      <dl className={classes.parts}>
        {shown.map((p) => (
          <div key={p.name}>
            <dt>
              <span className={`${classes.swatch} ${classes[p.name]}`} aria-hidden="true" />
              {t[p.name]}
            </dt>
            <dd>
              {share(p)}
              {p.about && (
                <Text size="sm" c="dimmed">
                  {p.about}
                </Text>
              )}
            </dd>
          </div>
        ))}
      </dl>
    </Stack>
  );
}
