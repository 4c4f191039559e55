import { Anchor, Text } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { ask, client } from "../../../api/client";
import { DataTable, type Column } from "../../../components/DataTable";
import { JobProgress, JobState } from "../../../components/JobState";
import { Section } from "../../../components/Page";
import { Paged } from "../../../components/Paged";
import { Empty } from "../../../components/States";
import { LandIcon } from "../../../components/icons";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import { signerName } from "../signers";
import { landedOf, sourceOf, type Job, type Landed } from "../review/job";

// Imports are what has landed here, and what was tried.
export function Imports() {
  const t = useText().land.imports;
  const query = useInfiniteQuery({
    queryKey: ["jobs", "imports"],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam: before }) => ask(client.GET("/api/v1/bundles/imports", { params: { query: { before, limit: 20 } } })),
    getNextPageParam: (page) => page.next,
  });
  const columns = useColumns();
  return (
    <Section title={t.title} about={t.about}>
      <Paged query={query} none={<None />}>
        {(rows) => <DataTable label={t.title} rows={rows} columns={columns} id={(j) => j.id} />}
      </Paged>
    </Section>
  );
}

function None() {
  const t = useText().land.imports;
  return (
    <Empty icon={<LandIcon />} title={t.empty}>
      {t.emptyText}
    </Empty>
  );
}

function useColumns(): Column<Job>[] {
  const text = useText();
  const t = text.land.imports;
  const f = useFormat();
  return [
    { head: t.what, cell: (job) => <What job={job} /> },
    { head: text.common.state, cell: (job) => <JobState state={job.state} /> },
    { head: t.when, cell: (job) => <Text size="sm">{f.time(job.ended ?? job.created)}</Text> },
    { head: t.by, cell: (job) => job.owner, wide: true },
  ];
}

// useLanded is what a landing has done, which lists are without.
function useLanded(job: Job): Landed | undefined {
  const query = useQuery({
    queryKey: ["imports", job.id, job.ended],
    queryFn: () => ask(client.GET("/api/v1/jobs/{id}", { params: { path: { id: job.id } } })),
    enabled: job.state === "done",
    staleTime: Infinity,
  });
  return query.data && landedOf(query.data);
}

function What({ job }: { job: Job }) {
  const text = useText().land;
  const t = text.imports;
  const f = useFormat();
  const landed = useLanded(job);
  const names = landed?.names ?? [];
  const title = names[0] ? t.names(names[0], names.length - 1, f.count(names.length - 1)) : t.bundle((job.subject ?? "").slice(0, 12));
  const source = sourceOf(job);
  const from = source && { upload: t.fromUpload, drive: t.fromDrive, path: t.fromMachine }[source];
  const moved = landed && (landed.moved > 0 ? t.moved(f.bytes(landed.moved)) : t.nothingMoved);
  const signed = landed?.signers && (landed.signers.length > 0 ? t.signed(f.list(landed.signers.map((s) => signerName(s, text.review)))) : t.unsigned);
  const open = job.state === "running" || job.state === "waiting";
  return (
    <>
      <Anchor component={Link} to={`/jobs/${job.id}`} style={{ overflowWrap: "anywhere" }}>
        {title}
      </Anchor>
      <Text size="sm" c="dimmed">
        {[from, moved, signed].filter(Boolean).join(" · ")}
      </Text>
      {open && <JobProgress job={job} />}
      {job.error && (
        <Text size="sm" lineClamp={2}>
          {job.error.message}
        </Text>
      )}
    </>
  );
}
