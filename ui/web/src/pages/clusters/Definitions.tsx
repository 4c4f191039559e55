import { Anchor, Button, Code, Text } from "@mantine/core";
import { Link } from "react-router";
import { useMay } from "../../api/session";
import { DataTable, type Column } from "../../components/DataTable";
import { ClusterIcon } from "../../components/icons";
import { Section } from "../../components/Page";
import { Empty, Shown } from "../../components/States";
import { useFormat } from "../../format";
import { useText } from "../../text";
import { GateState } from "./GateState";
import { definitionPath, useDefinitions, type Summary } from "./queries";

// Definitions lists the definitions of the site, each with what the gate found.
export function Definitions() {
  const t = useText().clusters;
  const query = useDefinitions();
  return (
    <Section title={t.definitions} about={t.definitionsAbout}>
      <Shown query={query}>{(rows) => (rows.length > 0 ? <DefinitionTable rows={rows} /> : <NoDefinitions />)}</Shown>
    </Section>
  );
}

function NoDefinitions() {
  const t = useText().clusters;
  const may = useMay("bundles.write");
  return (
    <Empty icon={<ClusterIcon />} title={t.empty} action={may && <Button component={Link} to="/land">{t.land}</Button>}>
      {t.emptyText} <Code style={{ overflowWrap: "anywhere" }}>landfall definition push NAME-VERSION.def.yaml</Code>
    </Empty>
  );
}

function DefinitionTable({ rows }: { rows: Summary[] }) {
  const t = useText();
  const f = useFormat();
  const columns: Column<Summary>[] = [
    { head: t.common.name, cell: (d) => <Named definition={d} /> },
    { head: t.clusters.version, cell: (d) => <span style={{ overflowWrap: "anywhere" }}>{d.version}</span> },
    { head: t.clusters.signers, cell: (d) => !d.problem && <Signers definition={d} /> },
    { head: t.common.state, cell: (d) => <Standing definition={d} /> },
    { head: t.clusters.checked, cell: (d) => d.gate && <time dateTime={d.gate.checked} title={f.time(d.gate.checked)}>{f.relative(d.gate.checked)}</time> },
    { head: t.clusters.platforms, cell: (d) => <Text size="sm">{f.list(d.platforms ?? [])}</Text>, wide: true },
  ];
  return <DataTable label={t.clusters.definitions} rows={rows} columns={columns} id={(d) => d.reference} />;
}

function Named({ definition: d }: { definition: Summary }) {
  const t = useText();
  return (
    <>
      <Anchor component={Link} to={definitionPath(d.reference)} style={{ overflowWrap: "anywhere" }} aria-label={`${d.name} ${d.version}`}>
        {d.name}
      </Anchor>
      {d.kubernetes && (
        <Text size="xs" c="dimmed">
          {d.kubernetes.distribution} {d.kubernetes.version}
        </Text>
      )}
      {d.problem && (
        <Text size="sm" c="dimmed" lineClamp={3} style={{ overflowWrap: "anywhere" }}>
          {t.clusters.unreadable}: {d.problem}
        </Text>
      )}
    </>
  );
}

// Signers are those whom the site trusts, of all who have signed.
export function Signers({ definition: d }: { definition: Summary }) {
  const t = useText().clusters;
  const f = useFormat();
  const signers = d.signers ?? [];
  if (signers.length > 0) return f.list(signers);
  return (
    <Text span size="sm" c="dimmed">
      {d.signatures > 0 ? t.untrusted : t.unsigned}
    </Text>
  );
}

// Standing is the gate's result in short.
function Standing({ definition: d }: { definition: Summary }) {
  const t = useText().clusters;
  const f = useFormat();
  const { gate } = d;
  if (!gate) {
    return (
      <Text size="sm" c="dimmed">
        {d.problem ? t.unreadable : t.never}
      </Text>
    );
  }
  const items = t.items(gate.bad, f.count(gate.bad));
  return (
    <>
      <GateState state={gate.state} />
      {gate.bad > 0 && (
        <Text size="xs" c="dimmed" mt={2}>
          {gate.lacking > 0 ? t.incomplete(items, f.bytes(gate.lacking)) : t.notReady(items)}
        </Text>
      )}
    </>
  );
}
