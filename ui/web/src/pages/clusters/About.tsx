import { List, Stack, Text } from "@mantine/core";
import type { Schema } from "../../api/client";
import { Digest } from "../../components/Copy";
import { DataTable, type Column } from "../../components/DataTable";
import { Facts } from "../../components/Facts";
import { Folded } from "../../components/Folded";
import { NameLink } from "../../components/Names";
import { Section } from "../../components/Page";
import { useFormat } from "../../format";
import { useText } from "../../text";
import { Signers } from "./Definitions";
import type { Definition, Summary } from "./queries";

type Left = Schema<"DefinitionLeft">;

// About says what a definition is, and what its making has left over.
export function About({ summary, definition: d }: { summary: Summary; definition: Definition }) {
  const t = useText().clusters;
  const f = useFormat();
  const unused = d.unused ?? [];
  const left = d.left ?? [];
  return (
    <Section title={t.facts.title} about={d.description}>
      <Stack gap="sm">
        <Facts
          items={[
            [t.facts.reference, <NameLink key="name" name={summary.reference} />],
            [t.facts.kubernetes, d.kubernetes && `${d.kubernetes.distribution} ${d.kubernetes.version}`],
            [t.platforms, f.list(d.platforms ?? [])],
            [t.signers, <Signers key="signers" definition={summary} />],
            [t.facts.size, f.bytes(summary.size)],
            [t.updated, summary.updated && f.time(summary.updated)],
            [t.digest, <Digest key="digest" value={summary.document} />],
          ]}
        />
        {unused.length > 0 && (
          <Folded title={t.facts.unused(f.count(unused.length))}>
            <List size="sm">
              {unused.map((name) => (
                <List.Item key={name} style={{ overflowWrap: "anywhere" }}>
                  {name}
                </List.Item>
              ))}
            </List>
          </Folded>
        )}
        {left.length > 0 && (
          <Folded title={t.facts.left(f.count(left.length))}>
            <LeftOut rows={left} />
          </Folded>
        )}
      </Stack>
    </Section>
  );
}

function LeftOut({ rows }: { rows: Left[] }) {
  const t = useText().clusters.facts;
  const f = useFormat();
  const where = (l: Left) => [l.layer, l.chart, l.file && l.file + (l.line ? `:${l.line}` : ""), l.object, l.field].filter(Boolean).join(" → ");
  const text = (value: string) => (
    <Text size="sm" style={{ overflowWrap: "anywhere" }}>
      {value}
    </Text>
  );
  const columns: Column<Left & { n: number }>[] = [
    { head: t.text, cell: (l) => text(l.text) },
    { head: t.why, cell: (l) => text(l.why) },
    { head: t.where, cell: (l) => text(where(l)) },
  ];
  return <DataTable label={t.left(f.count(rows.length))} rows={rows.map((l, n) => ({ ...l, n }))} columns={columns} id={(l) => String(l.n)} />;
}
