import { Anchor, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { ask, client } from "../../api/client";
import { DataTable, type Column } from "../../components/DataTable";
import { Section } from "../../components/Page";
import { Paged } from "../../components/Paged";
import { Empty } from "../../components/States";
import { useFormat } from "../../format";
import { useText } from "../../text";
import { goesOn, namesOf, RunState, useSummary, whileIdle, whileRunning, type Run } from "./shared";

// RunList lists runs, the newest first.
export function RunList() {
  const t = useText();
  const query = useInfiniteQuery({
    queryKey: ["mirrors", "runs"],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam: before }) => ask(client.GET("/api/v1/mirrors/runs", { params: { query: { before, limit: 20 } } })),
    getNextPageParam: (page) => page.next,
    refetchInterval: ({ state }) => (state.data?.pages[0]?.items?.some(goesOn) ? whileRunning : whileIdle),
  });
  return (
    <Section title={t.mirrors.runs} about={t.mirrors.runsAbout}>
      <Paged query={query} none={<Empty title={t.mirrors.noRuns}>{t.mirrors.noRunsText}</Empty>}>
        {(rows) => <Runs rows={rows} />}
      </Paged>
    </Section>
  );
}

function Runs({ rows }: { rows: Run[] }) {
  const t = useText();
  const f = useFormat();
  const summary = useSummary();
  const did = (r: Run) => (r.progress ? t.mirrors.images(f.count(r.progress.copied), f.count(r.progress.images)) : summary(r.outcome?.mirrors ?? [], r.state));
  const columns: Column<Run>[] = [
    {
      head: t.mirrors.beginning,
      cell: (r) => (
        <Anchor component={Link} to={`/mirrors/runs/${r.id}`} size="sm">
          {f.time(r.started)}
        </Anchor>
      ),
    },
    { head: t.mirrors.title, cell: (r) => <span style={{ overflowWrap: "anywhere" }}>{namesOf(t, r.mirrors ?? [])}</span> },
    { head: t.common.state, cell: (r) => <RunState state={r.state} /> },
    { head: t.mirrors.outcome, cell: (r) => <Text size="sm">{did(r)}</Text> },
    { head: t.mirrors.begun, cell: (r) => t.mirrors.trigger[r.trigger], wide: true },
    { head: t.mirrors.moved, cell: (r) => f.bytes(r.outcome?.moved ?? r.progress?.moved ?? 0), wide: true, end: true },
  ];
  return <DataTable label={t.mirrors.runs} rows={rows} columns={columns} id={(r) => r.id} />;
}
