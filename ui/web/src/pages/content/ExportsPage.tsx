import { ActionIcon, Anchor, Button, Card, Group, Text, Tooltip } from "@mantine/core";
import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "react-router";
import { ask, client, type Schema } from "../../api/client";
import { useMay } from "../../api/session";
import { useConfirm } from "../../components/Confirm";
import { DataTable, type Column } from "../../components/DataTable";
import { DownloadIcon, LandIcon, TrashIcon } from "../../components/icons";
import { JobProgress, JobState } from "../../components/JobState";
import { Page } from "../../components/Page";
import { Paged } from "../../components/Paged";
import { Empty } from "../../components/States";
import { useFormat } from "../../format";
import { NotFound } from "../../shell/NotFound";
import { useText } from "../../text";
import { exportArgs, exportedFile } from "./exports";
import { Ways } from "./Ways";

type Made = Schema<"BundleMade">;

// ExportsPage lists bundles that were made here.
export default function ExportsPage() {
  return useMay("bundles.read") ? <Exports /> : <NotFound />;
}

function Exports() {
  const t = useText();
  const query = useInfiniteQuery({
    queryKey: ["bundles", "exports"],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam: before }) => ask(client.GET("/api/v1/bundles/exports", { params: { query: { before } } })),
    getNextPageParam: (page) => page.next,
    // Jobs tell how far they are by events, but of jobs only.
    refetchInterval: (q) => (q.state.data?.pages.some((p) => p.items?.some((j) => isOpen(j))) ? 2000 : false),
  });
  return (
    <Page title={t.content.exports.title} about={t.content.exports.about}>
      <Ways />
      <Card>
        <Paged query={query} none={<None />}>
          {(rows) => <ExportTable rows={rows} />}
        </Paged>
      </Card>
    </Page>
  );
}

const isOpen = (j: Made) => j.state === "queued" || j.state === "running" || j.state === "waiting";

function None() {
  const t = useText().content.exports;
  return (
    <Empty
      icon={<LandIcon />}
      title={t.empty}
      action={
        <Button component={Link} to="/content" variant="default">
          {t.toNames}
        </Button>
      }
    >
      {t.emptyText}
    </Empty>
  );
}

function ExportTable({ rows }: { rows: Made[] }) {
  const t = useText();
  const f = useFormat();
  const columns: Column<Made>[] = [
    { head: t.content.exports.bundle, cell: (j) => <Bundle job={j} /> },
    { head: t.common.state, cell: (j) => <JobState state={j.state} /> },
    { head: t.common.size, cell: (j) => (j.fileBytes === undefined ? (j.state === "done" ? t.content.exports.gone : "") : f.bytes(j.fileBytes)), end: true },
    { head: t.content.exports.made, cell: (j) => <Text size="sm">{f.time(j.created)}</Text>, wide: true },
    { head: t.jobs.owner, cell: (j) => j.owner, wide: true },
    { head: t.common.actions, cell: (j) => <Actions job={j} />, end: true },
  ];
  return <DataTable label={t.content.exports.title} rows={rows} columns={columns} id={(j) => j.id} />;
}

function Bundle({ job }: { job: Made }) {
  const t = useText();
  const f = useFormat();
  const { names, channel, sign } = exportArgs(job.args);
  const [first] = names;
  const said = [channel && t.content.exports.channel(channel), sign && t.content.exports.signed].filter((x): x is string => !!x);
  return (
    <>
      <Anchor component={Link} to={`/jobs/${job.id}`} style={{ overflowWrap: "anywhere" }}>
        {names.length > 1 && first ? t.content.exports.firstOf(first, f.count(names.length - 1)) : (first ?? job.subject ?? job.id)}
      </Anchor>
      {said.length > 0 && (
        <Text size="sm" c="dimmed">
          {said.join(" · ")}
        </Text>
      )}
      {isOpen(job) && <JobProgress job={job} />}
      {job.error && (
        <Text size="sm" c="dimmed" lineClamp={2}>
          {job.error.message}
        </Text>
      )}
    </>
  );
}

function Actions({ job }: { job: Made }) {
  const t = useText();
  const may = useMay("bundles.write");
  const confirm = useConfirm();
  const cache = useQueryClient();
  if (isOpen(job) || (job.state === "done" && job.fileBytes === undefined)) return null;
  const name = exportedFile(job.result) ?? job.id;
  const path = { id: job.id };
  const remove = () =>
    confirm({
      title: t.content.exports.removeTitle,
      destroys: t.content.exports.removeText(name),
      action: t.content.exports.remove,
      act: () => ask(client.DELETE("/api/v1/bundles/exports/{id}", { params: { path } })).then(() => cache.invalidateQueries({ queryKey: ["bundles"] })),
    });
  return (
    <Group gap={4} wrap="nowrap" justify="flex-end">
      {job.state === "done" && (
        <Tooltip label={t.common.download}>
          <ActionIcon component="a" href={`/api/v1/bundles/exports/${encodeURIComponent(job.id)}/content`} download={name} variant="subtle" aria-label={`${t.common.download}: ${name}`}>
            <DownloadIcon size={18} />
          </ActionIcon>
        </Tooltip>
      )}
      {may && job.state === "done" && (
        <Tooltip label={t.content.exports.remove}>
          <ActionIcon variant="subtle" color="gray" aria-label={`${t.content.exports.remove}: ${name}`} onClick={remove}>
            <TrashIcon size={18} />
          </ActionIcon>
        </Tooltip>
      )}
    </Group>
  );
}
