import { Text } from "@mantine/core";
import { DataTable, type Column } from "../../../components/DataTable";
import { useText } from "../../../text";
import { ValueState } from "./ValueState";
import { asText, isGiven, isSecret, type Variable } from "./values";

// ValuesTable shows values to those who may not change them.
export function ValuesTable({ rows }: { rows: Variable[] }) {
  const { common, clusters } = useText();
  const t = clusters.values;
  const mono = (text: string) => (
    <Text size="sm" ff="monospace" style={{ overflowWrap: "anywhere" }}>
      {text}
    </Text>
  );
  const columns: Column<Variable>[] = [
    { head: t.variable, cell: (v) => <Name variable={v} /> },
    { head: t.value, cell: (v) => (isSecret(v) ? (isGiven(v) ? t.set : t.notSet) : mono(asText(v.value))) },
    { head: t.fallback, cell: (v) => mono(asText(v.default)) },
    { head: common.state, cell: (v) => <ValueState variable={v} /> },
  ];
  return <DataTable label={t.title} rows={rows} columns={columns} id={(v) => v.name} />;
}

function Name({ variable: v }: { variable: Variable }) {
  return (
    <>
      <Text size="sm" fw={500} style={{ overflowWrap: "anywhere" }}>
        {v.title || v.name}
      </Text>
      <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
        {[v.title && v.name, v.description, v.problem].filter(Boolean).join(" · ")}
      </Text>
    </>
  );
}
