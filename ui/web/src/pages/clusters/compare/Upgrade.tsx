import { Badge, Box, Text, Title, type MantineColor } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { ask, client, type Schema } from "../../../api/client";
import { DataTable, type Column } from "../../../components/DataTable";
import { Shown } from "../../../components/States";
import { useText } from "../../../text";
import { all, useValues } from "../queries";
import { asText, hiddenIn } from "../values/values";

type Row = Schema<"SitevaluesRow">;

const colors: Record<Row["state"], MantineColor> = { ours: "teal", theirs: "gray", new: "blue", removed: "yellow", invalid: "red" };

// Upgrade says for each variable whose value holds after an upgrade: ours, theirs, or
// that of a new variable. Hidden variables are not shown, but for what is wrong with
// them.
export function Upgrade({ from, to }: { from: string; to: string }) {
  const t = useText().clusters.compare;
  const query = useQuery({
    queryKey: [...all, "compare", from, to],
    queryFn: async () => (await ask(client.GET("/api/v1/definitions/values/compare", { params: { query: { name: from, to } } }))) ?? [],
  });
  const [older, newer] = [useValues(from), useValues(to)];
  const hidden = hiddenIn(newer.data?.variables ?? [], older.data?.variables ?? []);
  const listed = { ...query, isPending: query.isPending || older.isPending || newer.isPending, data: older.isPending || newer.isPending ? undefined : query.data?.filter((r) => r.problem || !hidden.has(r.name)) };
  return (
    <Box>
      <Title order={3}>{t.upgrade}</Title>
      <Text size="sm" c="dimmed" mb="xs">
        {t.upgradeAbout}
      </Text>
      <Shown query={listed}>{(rows) => (rows.length > 0 ? <RowTable rows={rows} /> : <Text size="sm">{t.noValues}</Text>)}</Shown>
    </Box>
  );
}

function RowTable({ rows }: { rows: Row[] }) {
  const text = useText().clusters;
  const t = text.compare;
  const columns: Column<Row>[] = [
    { head: text.values.variable, cell: (r) => <Name row={r} /> },
    { head: t.after, cell: (r) => <Badge color={colors[r.state]} variant="light">{t.whose[r.state] ?? r.state}</Badge> },
    { head: t.ours, cell: (r) => <Value value={r.ours === undefined ? undefined : r.sensitive ? text.values.set : r.ours} /> },
    { head: t.before, cell: (r) => <Value value={r.defaultOld} /> },
    { head: t.now, cell: (r) => <Value value={r.defaultNew} /> },
  ];
  return <DataTable label={t.upgrade} rows={rows} columns={columns} id={(r) => r.name} />;
}

function Name({ row: r }: { row: Row }) {
  const t = useText().clusters.compare;
  return (
    <>
      <Text size="sm" fw={500} style={{ overflowWrap: "anywhere" }}>
        {r.name}
      </Text>
      {(r.problem || (r.changed && r.state !== "new" && r.state !== "removed")) && (
        <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
          {r.problem || t.otherRules}
        </Text>
      )}
    </>
  );
}

function Value({ value }: { value: unknown }) {
  return (
    <Text size="sm" ff="monospace" style={{ overflowWrap: "anywhere" }}>
      {asText(value)}
    </Text>
  );
}
