import { SegmentedControl, Stack, Text, Title } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useSearchParams } from "react-router";
import { ask, client, type Schema } from "../../api/client";
import { Chart, NoChart } from "../../components/Chart";
import { Section } from "../../components/Page";
import { Shown } from "../../components/States";
import { useFormat } from "../../format";
import { useText } from "../../text";
import classes from "./home.module.css";

type Series = Schema<"HistorySeries">;

const spans = ["1h", "1d", "7d", "30d", "365d"] as const;
type Span = (typeof spans)[number];

// History shows traffic and storage over time. The span is in the address.
export function History() {
  const t = useText().home.history;
  const [chosen, setChosen] = useSearchParams();
  const span: Span = spans.find((s) => s === chosen.get("span")) ?? "1d";
  const query = useQuery({
    queryKey: ["system", "history", span],
    queryFn: () => ask(client.GET("/api/v1/system/history", { params: { query: { span } } })),
    refetchInterval: 60_000,
    placeholderData: keepPreviousData,
  });
  return (
    <Section
      title={t.title}
      actions={<SegmentedControl size="xs" aria-label={t.span} data={spans.map((s) => ({ value: s, label: t.spans[s] }))} value={span} onChange={(s) => setChosen({ span: s }, { replace: true })} />}
    >
      <Shown query={query}>{(series) => <Charts series={series} />}</Shown>
    </Section>
  );
}

function Charts({ series }: { series: Series }) {
  const t = useText().home.history;
  const f = useFormat();
  const samples = series.samples ?? [];
  if (samples.length === 0) return <NoChart>{t.young}</NoChart>;
  const step = series.step * 1000;
  const frame = { from: Date.parse(series.from), until: Date.parse(series.until), step, times: samples.map((s) => Date.parse(s.at)) };
  const sum = (of: (s: Schema<"HistorySample">) => number) => samples.reduce((n, s) => n + of(s), 0);
  const grown = (samples.at(-1)?.storeBytes ?? 0) - (samples[0]?.storeBytes ?? 0);
  return (
    <div className={classes.charts}>
      <Titled title={t.traffic} about={t.total(f.bytes(sum((s) => s.sentBytes)), f.count(sum((s) => s.requests)), f.bytes(sum((s) => s.receivedBytes)))}>
        <Chart
          {...frame}
          label={t.traffic}
          value={(n) => f.rate(n)}
          lines={[
            { label: t.sent, values: samples.map((s) => s.sentBytes / s.seconds) },
            { label: t.received, values: samples.map((s) => s.receivedBytes / s.seconds) },
          ]}
          more={{ label: t.pulls, values: samples.map((s) => f.count(s.requests)) }}
        />
      </Titled>
      <Titled title={t.storage} about={grown === 0 ? t.same : grown > 0 ? t.grown(f.bytes(grown)) : t.shrunk(f.bytes(-grown))}>
        <Chart
          {...frame}
          label={t.storage}
          value={(n) => f.bytes(n)}
          lines={[
            { label: t.content, values: samples.map((s) => s.storeBytes) },
            { label: t.trash, values: samples.map((s) => s.trashBytes) },
          ]}
          more={{ label: t.tags, values: samples.map((s) => f.count(s.tags)) }}
        />
      </Titled>
    </div>
  );
}

function Titled({ title, about, children }: { title: string; about?: string; children: ReactNode }) {
  return (
    <Stack gap={4}>
      <div>
        <Title order={3}>{title}</Title>
        {about && (
          <Text size="sm" c="dimmed">
            {about}
          </Text>
        )}
      </div>
      {children}
    </Stack>
  );
}
