import { Stack, Text } from "@mantine/core";
import { DataTable, type Column } from "../../components/DataTable";
import { Section } from "../../components/Page";
import { useFormat } from "../../format";
import { useText } from "../../text";
import { counted, type Tally } from "./shared";

// Tallies are what a run did for each of its mirrors, in the columns that say anything.
export function Tallies({ rows }: { rows: Tally[] }) {
  const t = useText().mirrors;
  const f = useFormat();
  const told = counted.filter((key) => key === "copied" || key === "present" || rows.some((r) => r[key] > 0));
  const columns: Column<Tally>[] = [
    {
      head: t.mirror,
      cell: (r) => (
        <Stack gap={0}>
          <Text size="sm" fw={600}>
            {r.name}
          </Text>
          {r.problem && (
            <Text size="sm" c="red" style={{ overflowWrap: "anywhere" }}>
              {r.problem}
            </Text>
          )}
          {r.until && (
            <Text size="xs" c="dimmed">
              {t.until(f.time(r.until))}
            </Text>
          )}
        </Stack>
      ),
    },
    ...told.map((key): Column<Tally> => ({ head: t.counts[key], cell: (r) => f.count(r[key]), end: true })),
  ];
  return (
    <Section title={t.tally}>
      <DataTable label={t.tally} rows={rows} columns={columns} id={(r) => r.name ?? ""} />
    </Section>
  );
}
