import { Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { ask, client, type Schema } from "../../../api/client";
import { Digest } from "../../../components/Copy";
import { DataTable, type Column } from "../../../components/DataTable";
import { Section } from "../../../components/Page";
import { Shown } from "../../../components/States";
import { useFormat } from "../../../format";
import { useText } from "../../../text";

type Row = Schema<"Accepted"> & { channel: string };
type Override = Schema<"Override">;

// Channels shows how far the site is in each, and what was let in against the policy.
export function Channels() {
  const t = useText().settings.trust;
  const query = useQuery({ queryKey: ["trust", "state"], queryFn: () => ask(client.GET("/api/v1/trust/state")) });
  return (
    <Section title={t.accepted} about={t.acceptedAbout}>
      <Shown query={query}>{(state) => <State state={state} />}</Shown>
    </Section>
  );
}

function State({ state }: { state: Schema<"TrustState"> }) {
  const t = useText().settings.trust;
  const f = useFormat();
  const rows = Object.entries(state.channels)
    .map(([channel, at]) => ({ channel, ...at }))
    .sort((a, b) => a.channel.localeCompare(b.channel));
  const columns: Column<Row>[] = [
    { head: t.channel, cell: (r) => <Text size="sm" style={{ overflowWrap: "anywhere" }}>{r.channel}</Text> },
    { head: t.sequence, cell: (r) => String(r.sequence), end: true },
    { head: t.bundle, cell: (r) => <Digest value={r.bundle} /> },
  ];
  const seen = Date.parse(state.newest) > 0; // else nothing has come yet
  return (
    <Stack gap="sm">
      {rows.length > 0 ? <DataTable label={t.accepted} rows={rows} columns={columns} id={(r) => r.channel} /> : <Text c="dimmed" size="sm">{t.noChannels}</Text>}
      {seen && (
        <Text size="sm" c="dimmed">
          {t.newest(f.time(state.newest))}
        </Text>
      )}
      {state.overrides && state.overrides.length > 0 && <Overrides list={state.overrides} />}
    </Stack>
  );
}

function Overrides({ list }: { list: Override[] }) {
  const t = useText().settings.trust;
  const f = useFormat();
  const columns: Column<Override>[] = [
    { head: t.at, cell: (o) => <Text size="sm">{f.time(o.at)}</Text> },
    { head: t.bundle, cell: (o) => <Digest value={o.bundle} /> },
    {
      head: t.why,
      cell: (o) => (
        <>
          <Text size="sm">{o.reason}</Text>
          {o.against?.map((a) => (
            <Text size="xs" c="dimmed" key={a}>
              {a}
            </Text>
          ))}
        </>
      ),
    },
  ];
  return (
    <>
      <Title order={3}>{t.overrides}</Title>
      <Text size="sm" c="dimmed">
        {t.overridesAbout}
      </Text>
      <DataTable label={t.overrides} rows={list} columns={columns} id={(o) => o.at + o.bundle} />
    </>
  );
}
