import { Stack, Text } from "@mantine/core";
import { DataTable, type Column } from "../../components/DataTable";
import { Facts } from "../../components/Facts";
import { Folded } from "../../components/Folded";
import { useFormat } from "../../format";
import { fieldsOf, listOf, numberOf, textOf, type Fields } from "../../narrow";
import { useText } from "../../text";

type Repository = { name: string; kept: number; freed: number };

function repositoryOf(x: unknown): Repository {
  const r = fieldsOf(x);
  return { name: textOf(r.repository), kept: numberOf(r.keptBytes), freed: numberOf(r.freedBytes) };
}

// Collected says what a collection took out, and what the disk has got back.
export function Collected({ did }: { did: Fields }) {
  const t = useText().jobs.collected;
  const f = useFormat();
  const erased = fieldsOf(did.erased);
  const trash = fieldsOf(did.trash);
  const retained = fieldsOf(did.retained);
  const items = (x: Fields) => t.items(f.count(numberOf(x.blobs)), f.count(numberOf(x.manifests)));
  const sized = (x: Fields) => `${f.bytes(numberOf(x.bytes))} (${items(x)})`;
  const rows = listOf(did.repositories).map(repositoryOf).filter((r) => r.freed > 0);
  const nothing = numberOf(did.bytes) + numberOf(did.manifests) + numberOf(did.blobs) + numberOf(erased.bytes) === 0;
  return (
    <Stack gap="sm">
      {nothing && <Text size="sm">{t.nothing}</Text>}
      <Facts
        items={[
          [t.erased, sized(erased)],
          [t.marked, sized(did)],
          [t.trash, sized(trash)],
          [t.next, textOf(trash.next) && f.time(textOf(trash.next))],
          [t.retained, did.retained !== undefined && f.count(numberOf(retained.removed))],
        ]}
      />
      {rows.length > 0 && (
        <Folded title={t.byRepository}>
          <Repositories rows={rows} />
        </Folded>
      )}
    </Stack>
  );
}

function Repositories({ rows }: { rows: Repository[] }) {
  const t = useText().jobs.collected;
  const f = useFormat();
  const columns: Column<Repository>[] = [
    { head: t.repository, cell: (r) => <span style={{ overflowWrap: "anywhere" }}>{r.name}</span> },
    { head: t.kept, cell: (r) => f.bytes(r.kept), end: true },
    { head: t.freed, cell: (r) => f.bytes(r.freed), end: true },
  ];
  return <DataTable label={t.byRepository} rows={rows} columns={columns} id={(r) => r.name} />;
}
