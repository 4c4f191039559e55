import { Stack, Text } from "@mantine/core";
import { useMemo } from "react";
import { Link } from "react-router";
import { DataTable, type Column } from "../../../components/DataTable";
import { Folded } from "../../../components/Folded";
import { VirtualGrid, type GridColumn } from "../../../components/VirtualGrid";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import classes from "../content.module.css";
import { artifactPath, byDigest, repositoryPath, shortDigest } from "../names";
import type { Freed, Kept, Preview } from "./preview";

const shown = 200;
const keptId = (k: Kept) => byDigest(k.repository, k.digest);

// PreviewView shows what a collection would take out, and why the rest stays.
export function PreviewView({ preview: p }: { preview: Preview }) {
  const t = useText().content.space;
  const f = useFormat();
  const keptColumns = useKeptColumns();
  return (
    <Stack gap="sm">
      <Text role="status">{p.manifests + p.blobs === 0 ? t.freesNothing : t.frees(f.bytes(p.bytes), f.count(p.manifests), f.count(p.blobs))}</Text>
      {p.freed.length > 0 && <FreedTable freed={p.freed} />}
      {p.kept.length > 0 && (
        <Folded title={t.keeps(f.count(p.kept.length + p.keptMore))}>
          {p.keptMore > 0 && <Text size="sm">{t.keptFirst(f.count(p.kept.length))}</Text>}
          <VirtualGrid label={t.keptTitle} rows={p.kept} columns={keptColumns} id={keptId} maxHeight="24rem" />
        </Folded>
      )}
    </Stack>
  );
}

function FreedTable({ freed }: { freed: Freed[] }) {
  const t = useText();
  const f = useFormat();
  const rows = [...freed].sort((a, b) => b.bytes - a.bytes);
  const columns: Column<Freed>[] = [
    {
      head: t.content.repository,
      cell: (r) => (
        <Link to={repositoryPath(r.repository)} className={classes.name} style={{ overflowWrap: "anywhere" }}>
          {r.repository}
        </Link>
      ),
    },
    { head: t.content.manifests, cell: (r) => f.count(r.manifests), end: true },
    { head: t.content.space.blobs, cell: (r) => f.count(r.blobs), end: true, wide: true },
    { head: t.common.size, cell: (r) => f.bytes(r.bytes), end: true },
  ];
  return (
    <>
      <DataTable label={t.content.space.goes} rows={rows.slice(0, shown)} columns={columns} id={(r) => r.repository} />
      {rows.length > shown && <Text size="sm">{t.content.statement.andMore(f.count(rows.length - shown))}</Text>}
    </>
  );
}

function useKeptColumns(): GridColumn<Kept>[] {
  const t = useText();
  return useMemo(
    () => [
      {
        head: t.content.manifest,
        width: "minmax(0, 1fr)",
        cell: (k, tabIndex) => (
          <Link to={artifactPath(keptId(k))} tabIndex={tabIndex} className={classes.name} title={keptId(k)}>
            {k.repository} <span className={classes.mono}>{shortDigest(k.digest)}</span>
          </Link>
        ),
      },
      { head: t.content.kept.reason, width: "minmax(0, 1fr)", cell: (k) => <span title={k.reason}>{k.reason}</span> },
    ],
    [t],
  );
}
