import { Badge, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { ask, client, type Schema } from "../../api/client";
import { DataTable, type Column } from "../../components/DataTable";
import { Facts } from "../../components/Facts";
import { Page, Section } from "../../components/Page";
import { Shown } from "../../components/States";
import { useFormat } from "../../format";
import { useText } from "../../text";
import { Findings } from "./Findings";

type Report = Schema<"HostReport">;
type Interface = Schema<"Interface">;

// Clocks and loads go on: they are read again now and then.
const every = 15_000;

// Network shows how the machine is connected, what time it has, and how busy it is.
export default function Network() {
  const t = useText().settings.network;
  const query = useQuery({ queryKey: ["system", "host"], refetchInterval: every, queryFn: () => ask(client.GET("/api/v1/system/host")) });
  return (
    <Page title={t.title} about={t.about}>
      <Shown query={query}>
        {(report) => (
          <>
            <Section title={t.findings}>
              <Findings list={(report.health ?? []).map((f) => ({ level: f.level, about: f.about, what: f.what, act: f.do }))} />
            </Section>
            <Section title={t.interfaces}>
              <Interfaces list={report.network.interfaces ?? []} />
            </Section>
            <Section title={t.ways}>
              <Ways of={report.network} />
            </Section>
            <Section title={t.clock} about={t.clockAbout}>
              <Clock of={report.clock} read={query.dataUpdatedAt} />
            </Section>
            <Section title={t.machine}>
              <Machine of={report.system} />
            </Section>
          </>
        )}
      </Shown>
    </Page>
  );
}

function Interfaces({ list }: { list: Interface[] }) {
  const t = useText();
  const words = t.settings.network;
  const columns: Column<Interface>[] = [
    { head: t.common.name, cell: (i) => <Text size="sm" ff="monospace">{i.name}</Text> },
    {
      head: t.common.state,
      cell: (i) => (
        <Badge variant="light" color={i.up && i.link ? "teal" : "gray"} style={{ textTransform: "none" }}>
          {i.loopback ? words.loopback : !i.up ? words.down : i.link ? words.connected : words.noLink}
        </Badge>
      ),
    },
    {
      head: words.addresses,
      cell: (i) => (
        <Stack gap={0}>
          {(i.addresses ?? []).map((a) => (
            <Text key={a} size="sm" ff="monospace">
              {a}
            </Text>
          ))}
        </Stack>
      ),
    },
    { head: words.mac, cell: (i) => <Text size="sm" ff="monospace">{i.mac}</Text>, wide: true },
    { head: words.speed, cell: (i) => (i.speedMbit ? words.mbit(i.speedMbit) : ""), wide: true, end: true },
    { head: words.mtu, cell: (i) => i.mtu, wide: true, end: true },
  ];
  const inOrder = [...list].sort((a, b) => Number(a.loopback) - Number(b.loopback) || Number(b.up && b.link) - Number(a.up && a.link));
  return <DataTable label={words.interfaces} rows={inOrder} columns={columns} id={(i) => i.name} />;
}

function Ways({ of: network }: { of: Schema<"HostNetwork"> }) {
  const t = useText();
  const words = t.settings.network;
  const columns: Column<Schema<"Route">>[] = [
    { head: words.gateway, cell: (r) => <Text size="sm" ff="monospace">{r.gateway || words.direct}</Text> },
    { head: words.interface, cell: (r) => <Text size="sm" ff="monospace">{r.interface}</Text> },
    { head: words.metric, cell: (r) => r.metric, end: true },
  ];
  const routes = network.routes ?? [];
  return (
    <Stack>
      {routes.length > 0 ? <DataTable label={words.routes} rows={routes} columns={columns} id={(r) => `${r.gateway} ${r.interface} ${r.metric}`} /> : <Text c="dimmed" size="sm">{words.noRoutes}</Text>}
      <Facts
        items={[
          [words.dns, network.dns?.join(", ") || t.common.none],
          [words.search, network.search?.join(", ")],
        ]}
      />
    </Stack>
  );
}

// Clock shows the clock as it was when it was read.
function Clock({ of: clock, read }: { of: Schema<"HostClock">; read: number }) {
  const t = useText();
  const words = t.settings.network;
  const f = useFormat();
  const synchronised = clock.synchronised === undefined ? t.common.unknown : clock.synchronised ? t.common.yes : words.notSynchronised;
  return (
    <Facts
      items={[
        [words.now, f.time(clock.now)],
        [words.zone, `${clock.zone} (${offsetOf(clock.offsetSeconds)})`],
        [words.browser, words.apart(f.duration(Math.abs(read - Date.parse(clock.now)) / 1000))],
        [words.synchronised, synchronised],
        [words.error, clock.errorSeconds !== undefined && words.seconds(clock.errorSeconds.toFixed(3))],
        [words.maxError, clock.maxErrorSeconds !== undefined && words.seconds(clock.maxErrorSeconds.toFixed(3))],
        [words.rtc, clock.rtc && f.time(clock.rtc)],
        [words.notBefore, clock.notBefore && f.time(clock.notBefore)],
      ]}
    />
  );
}

function Machine({ of: system }: { of: Report["system"] }) {
  const t = useText().settings.network;
  const f = useFormat();
  const { memory, load } = system;
  return (
    <Facts
      items={[
        [t.hostname, system.hostname],
        [t.os, system.os],
        [t.kernel, system.kernel && `${system.kernel} (${system.architecture})`],
        [t.uptime, system.uptimeSeconds !== undefined && f.duration(system.uptimeSeconds)],
        [t.load, load && t.loadOf(load.one.toFixed(2), load.five.toFixed(2), load.fifteen.toFixed(2), f.count(system.cpus))],
        [t.memory, memory.totalBytes !== undefined && t.of(f.bytes(memory.availableBytes ?? 0), f.bytes(memory.totalBytes))],
        [t.memoryLimit, memory.limitBytes !== undefined && f.bytes(memory.limitBytes)],
        [t.swap, memory.swapTotalBytes !== undefined && memory.swapTotalBytes > 0 && t.of(f.bytes(memory.swapFreeBytes ?? 0), f.bytes(memory.swapTotalBytes))],
      ]}
    />
  );
}

// offsetOf is like UTC+05:30.
function offsetOf(seconds: number): string {
  const minutes = Math.abs(Math.round(seconds / 60));
  const two = (n: number) => String(n).padStart(2, "0");
  return `UTC${seconds < 0 ? "−" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}
