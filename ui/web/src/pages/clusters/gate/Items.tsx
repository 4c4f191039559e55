import { Button, List, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { DataTable, type Column } from "../../../components/DataTable";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import { GateState } from "../GateState";
import { badOf, type Item } from "./wants";

const page = 50;

// Items are what the gate has looked at, those that are not as they should be first.
// Where all are, they are shown when that is asked for.
export function Items({ items }: { items: Item[] }) {
  const t = useText();
  const f = useFormat();
  const [shown, setShown] = useState(badOf(items).length > 0 ? page : 0);
  return (
    <Stack gap="sm" align="stretch">
      {shown > 0 && <ItemTable rows={items.slice(0, shown)} />}
      {shown < items.length && (
        <Button variant="default" size="xs" style={{ alignSelf: "flex-start" }} onClick={() => setShown(shown + 4 * page)}>
          {shown === 0 ? t.common.showAll(f.count(items.length)) : t.common.more}
        </Button>
      )}
    </Stack>
  );
}

function ItemTable({ rows }: { rows: Item[] }) {
  const t = useText();
  const columns: Column<Item>[] = [
    { head: t.clusters.gate.item, cell: (i) => <Name item={i} />, width: "35%" },
    { head: t.common.state, cell: (i) => <GateState state={i.state} /> },
    { head: t.clusters.gate.problems, cell: (i) => <Problems item={i} />, width: "50%" },
  ];
  return <DataTable label={t.clusters.gate.items} rows={rows} columns={columns} id={(i) => `${i.kind} ${i.name} ${i.digest ?? ""}`} />;
}

function Name({ item: i }: { item: Item }) {
  const t = useText().clusters.gate;
  const f = useFormat();
  const missing = i.missing ?? 0;
  return (
    <>
      <Text size="sm" style={{ overflowWrap: "anywhere" }}>
        {i.name}
      </Text>
      <Text size="xs" c="dimmed">
        {[t.kind[i.kind] ?? i.kind, missing > 0 && t.lack(missing, f.count(missing), f.bytes(i.lacking ?? 0))].filter(Boolean).join(", ")}
      </Text>
    </>
  );
}

function Problems({ item: i }: { item: Item }) {
  const t = useText().clusters.gate;
  const problems = i.problems ?? [];
  if (problems.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        {t.fine}
      </Text>
    );
  }
  return (
    <List size="sm" listStyleType={problems.length > 1 ? "disc" : "none"}>
      {problems.map((p, k) => (
        <List.Item key={k} style={{ overflowWrap: "anywhere" }}>
          {p}
        </List.Item>
      ))}
    </List>
  );
}
