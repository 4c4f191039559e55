import { Anchor, Card, Group, Select, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useSearchParams } from "react-router";
import { ask, client, type Schema } from "../../api/client";
import { DataTable, type Column } from "../../components/DataTable";
import { JobIcon } from "../../components/icons";
import { JobProgress, JobState, useJobTitle } from "../../components/JobState";
import { Page } from "../../components/Page";
import { Paged } from "../../components/Paged";
import { Empty } from "../../components/States";
import { useFormat } from "../../format";
import { useText } from "../../text";

type Job = Schema<"Job">;

const kinds = ["import", "export", "verify", "scrub", "collect", "sync"];
const states: Job["state"][] = ["queued", "running", "waiting", "done", "failed", "cancelled"];

// JobList lists jobs, the newest first. What is chosen is in the address.
export function JobList() {
  const t = useText();
  const [chosen, setChosen] = useSearchParams();
  const kind = kinds.find((k) => k === chosen.get("kind"));
  const state = states.find((s) => s === chosen.get("state"));
  const choose = (name: string, value: string | null) => {
    const next = new URLSearchParams(chosen);
    if (value) next.set(name, value);
    else next.delete(name);
    setChosen(next, { replace: true });
  };
  return (
    <Page title={t.jobs.title} about={t.jobs.about}>
      <Card>
        <Group mb="sm" align="flex-end">
          <Select label={t.jobs.filterKind} placeholder={t.common.all} clearable value={kind ?? null} onChange={(v) => choose("kind", v)} data={kinds.map((k) => ({ value: k, label: t.jobs.kind[k] ?? k }))} />
          <Select label={t.jobs.filterState} placeholder={t.common.all} clearable value={state ?? null} onChange={(v) => choose("state", v)} data={states.map((s) => ({ value: s, label: t.jobs.state[s] ?? s }))} />
        </Group>
        <JobTable kind={kind} state={state} />
      </Card>
    </Page>
  );
}

function JobTable({ kind, state }: { kind?: string; state?: Job["state"] }) {
  const query = useInfiniteQuery({
    queryKey: ["jobs", "list", kind, state],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam: before }) => ask(client.GET("/api/v1/jobs", { params: { query: { kind, state, before, limit: 50 } } })),
    getNextPageParam: (page) => page.next,
  });
  return (
    <Paged query={query} none={<NoJobs filtered={!!(kind || state)} />}>
      {(rows) => <Jobs rows={rows} />}
    </Paged>
  );
}

function NoJobs({ filtered }: { filtered: boolean }) {
  const t = useText().jobs;
  return (
    <Empty icon={<JobIcon />} title={filtered ? t.emptyFiltered : t.empty}>
      {filtered ? t.emptyFilteredText : t.emptyText}
    </Empty>
  );
}

function Jobs({ rows }: { rows: Job[] }) {
  const t = useText();
  const f = useFormat();
  const title = useJobTitle();
  const columns: Column<Job>[] = [
    {
      head: t.common.name,
      cell: (j) => (
        <>
          <div>
            <Anchor component={Link} to={`/jobs/${j.id}`} style={{ overflowWrap: "anywhere" }}>
              {title(j)}
            </Anchor>
          </div>
          {(j.state === "running" || j.state === "waiting") && <JobProgress job={j} />}
          {j.error && (
            <Text size="sm" c="dimmed" lineClamp={2} style={{ overflowWrap: "anywhere" }}>
              {j.error.message}
            </Text>
          )}
        </>
      ),
    },
    { head: t.common.state, cell: (j) => <JobState state={j.state} /> },
    { head: t.jobs.owner, cell: (j) => j.owner, wide: true },
    { head: t.jobs.created, cell: (j) => <Text size="sm">{f.time(j.created)}</Text>, width: "13.5rem" },
    { head: t.jobs.took, cell: (j) => (j.started && j.ended ? f.duration((Date.parse(j.ended) - Date.parse(j.started)) / 1000) : ""), wide: true, end: true },
  ];
  return <DataTable label={t.jobs.title} rows={rows} columns={columns} id={(j) => j.id} />;
}
