import { Badge, Text } from "@mantine/core";
import { Link } from "react-router";
import type { Schema } from "../../../api/client";
import { DataTable, type Column } from "../../../components/DataTable";
import { Section } from "../../../components/Page";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import { artifactPath, byDigest, shortDigest } from "../names";
import classes from "./artifact.module.css";
import type { Artifact } from "./index";

type Platform = Schema<"PlatformImage">;

// Platforms are what an index lists: each leads to its own page.
export function Platforms({ artifact: a }: { artifact: Artifact }) {
  const t = useText();
  const f = useFormat();
  const rows = a.platforms ?? [];
  if (rows.length === 0) return null;
  const columns: Column<Platform>[] = [
    {
      head: t.content.platform,
      cell: (p) => {
        const name = [p.platform || t.common.unknown, p.osVersion].filter(Boolean).join(" ");
        if (!p.present) return name;
        return (
          <Link to={artifactPath(byDigest(a.repository, p.digest))} className={classes.link}>
            {name}
          </Link>
        );
      },
    },
    { head: t.content.digest, cell: (p) => <span className={classes.mono} title={p.digest}>{shortDigest(p.digest)}</span> },
    { head: t.common.size, end: true, cell: (p) => (p.present ? f.bytes(p.bytes) : <Badge color="gray" variant="light" style={{ textTransform: "none" }}>{t.content.notHere}</Badge>) },
  ];
  const missing = rows.some((p) => !p.present);
  return (
    <Section title={t.content.platforms} about={missing ? t.content.platformsMissing : undefined}>
      <DataTable label={t.content.platforms} rows={rows} columns={columns} id={(p) => p.digest} />
      {rows.length === 0 && <Text c="dimmed">{t.common.none}</Text>}
    </Section>
  );
}
