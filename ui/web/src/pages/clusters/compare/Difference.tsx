import { Badge, Box, Button, Stack, Text, Title, type MantineColor } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { ask, client, type Schema } from "../../../api/client";
import { DataTable, type Column } from "../../../components/DataTable";
import { Facts } from "../../../components/Facts";
import { Shown } from "../../../components/States";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import { all } from "../queries";
import { isSame, rowsOf, valueText, type ChangeRow, type FieldChange } from "./changes";

type ImageChange = Schema<"DefinitionImageChange">;

const colors: { [change: string]: MantineColor } = { added: "teal", removed: "yellow", changed: "blue" };
const page = 100;

// Difference says what one definition has otherwise than another, and how much of it
// the site is without.
export function Difference({ from, to }: { from: string; to: string }) {
  const t = useText().clusters.compare;
  const query = useQuery({ queryKey: [...all, "diff", from, to], queryFn: () => ask(client.GET("/api/v1/definitions/diff", { params: { query: { from, to } } })) });
  return (
    <Box>
      <Title order={3} mb="xs">
        {t.difference}
      </Title>
      <Shown query={query}>{(d) => (isSame(d) ? <Text size="sm">{t.same}</Text> : <Parts difference={d} />)}</Shown>
    </Box>
  );
}

function Parts({ difference: d }: { difference: Schema<"DefinitionDifference"> }) {
  const t = useText().clusters.compare;
  const f = useFormat();
  const images = d.images ?? [];
  const rows = rowsOf(d);
  return (
    <Stack>
      <Facts
        items={[
          [t.carry, d.carry > 0 ? t.carryOf(f.bytes(d.carry), f.count(d.carried)) : t.nothingToCarry],
          [t.bytes, f.bytes(d.bytes)],
        ]}
      />
      {images.length > 0 && <ImageTable rows={images} />}
      {rows.length > 0 && <ChangeTable rows={rows} />}
    </Stack>
  );
}

function Change({ change }: { change: string }) {
  const t = useText().clusters.compare;
  return (
    <Badge color={colors[change] ?? "gray"} variant="light">
      {t.changes[change] ?? change}
    </Badge>
  );
}

function ImageTable({ rows }: { rows: ImageChange[] }) {
  const text = useText();
  const t = text.clusters.compare;
  const f = useFormat();
  const [shown, setShown] = useState(page);
  const columns: Column<ImageChange>[] = [
    {
      head: t.images,
      cell: (i) => (
        <>
          <Text size="sm" style={{ overflowWrap: "anywhere" }}>
            {i.name}
          </Text>
          {i.was && (
            <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
              {t.was(i.was)}
            </Text>
          )}
        </>
      ),
    },
    { head: t.change, cell: (i) => <Change change={i.change} /> },
    { head: t.carry, cell: (i) => i.bytes > 0 && f.bytes(i.bytes), end: true },
  ];
  return (
    <Stack gap="xs">
      <DataTable label={t.images} rows={rows.slice(0, shown)} columns={columns} id={(i) => i.change + " " + i.name} />
      {rows.length > shown && (
        <Button variant="default" onClick={() => setShown(shown + 10 * page)}>
          {text.common.more}
        </Button>
      )}
    </Stack>
  );
}

function ChangeTable({ rows }: { rows: ChangeRow[] }) {
  const t = useText().clusters.compare;
  const columns: Column<ChangeRow>[] = [
    {
      head: t.what,
      cell: (r) => (
        <Text size="sm" style={{ overflowWrap: "anywhere" }}>
          {t.kind[r.kind]} <b>{r.name}</b>
        </Text>
      ),
    },
    { head: t.change, cell: (r) => <Change change={r.change} /> },
    { head: t.fields, cell: (r) => <Fields fields={r.fields} />, width: "60%" },
  ];
  return <DataTable label={t.rest} rows={rows} columns={columns} id={(r) => r.key} />;
}

const few = 12;

function Fields({ fields }: { fields: FieldChange[] }) {
  const t = useText();
  const f = useFormat();
  const [whole, setWhole] = useState(false);
  const value = (x: unknown) => valueText(x) ?? t.clusters.compare.absent;
  return (
    <Stack gap={2} align="flex-start">
      {(whole ? fields : fields.slice(0, few)).map((c) => (
        <Text key={c.path} size="sm" style={{ overflowWrap: "anywhere" }}>
          {c.path}: {value(c.old)} → <b>{value(c.new)}</b>
        </Text>
      ))}
      {!whole && fields.length > few && (
        <Button size="xs" variant="default" onClick={() => setWhole(true)}>
          {t.common.showAll(f.count(fields.length))}
        </Button>
      )}
    </Stack>
  );
}
