import { Alert, Anchor, Button, Group, Progress, Stack, Text } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useParams } from "react-router";
import { ask, client } from "../../api/client";
import { useMay } from "../../api/session";
import { useConfirm } from "../../components/Confirm";
import { Facts } from "../../components/Facts";
import { RefreshIcon, StopIcon, WarningIcon } from "../../components/icons";
import { Page, Section } from "../../components/Page";
import { Shown, Trouble } from "../../components/States";
import { useFormat } from "../../format";
import { useText } from "../../text";
import { Deletions, RunImages } from "./RunChanges";
import { goesOn, namesOf, RunState, useRunMirrors, useSummary, whileRunning, type Run } from "./shared";
import { Tallies } from "./Tallies";

// RunPage shows one run: how far it is, or what it changed.
export function RunPage() {
  const t = useText();
  const { id = "" } = useParams();
  const query = useQuery({
    queryKey: ["mirrors", "run", id],
    queryFn: () => ask(client.GET("/api/v1/mirrors/runs/{id}", { params: { path: { id } } })),
    refetchInterval: ({ state }) => (state.data && goesOn(state.data) ? whileRunning : false),
  });
  const title = t.mirrors.runOf(query.data ? namesOf(t, query.data.mirrors ?? []) : id);
  return (
    <Page title={title} path={[{ to: "/mirrors", label: t.mirrors.title }]} actions={query.data && <RunActions run={query.data} />}>
      <Shown query={query}>{(run) => <RunParts run={run} />}</Shown>
    </Page>
  );
}

function RunActions({ run }: { run: Run }) {
  const t = useText();
  const may = useMay("mirrors.write");
  const confirm = useConfirm();
  const cache = useQueryClient();
  const again = useRunMirrors();
  if (!may) return null;
  if (again.error) return <Trouble error={again.error} />;
  if (!goesOn(run)) {
    return (
      <Button variant="default" leftSection={<RefreshIcon size={16} />} loading={again.isPending} onClick={() => again.mutate(run.mirrors ?? [])}>
        {t.mirrors.again}
      </Button>
    );
  }
  const cancel = () =>
    confirm({
      title: t.mirrors.cancelTitle(namesOf(t, run.mirrors ?? [])),
      destroys: t.mirrors.cancelText,
      undo: true,
      action: t.mirrors.cancel,
      act: () => ask(client.POST("/api/v1/mirrors/runs/{id}/cancel", { params: { path: { id: run.id } } })).then(() => cache.invalidateQueries({ queryKey: ["mirrors"] })),
    });
  return (
    <Button variant="default" leftSection={<StopIcon size={16} />} onClick={cancel}>
      {t.mirrors.cancel}
    </Button>
  );
}

function RunParts({ run }: { run: Run }) {
  const t = useText().mirrors;
  const f = useFormat();
  const summary = useSummary();
  const { outcome, progress, report } = run;
  const seconds = run.ended ? (Date.parse(run.ended) - Date.parse(run.started)) / 1000 : undefined;
  return (
    <Stack gap="lg">
      {outcome?.error && (
        <Alert color={run.state === "failed" ? "red" : "yellow"} icon={<WarningIcon />} title={run.state === "failed" ? t.whyFailed : t.why}>
          <Text size="sm" style={{ overflowWrap: "anywhere" }}>
            {outcome.error}
          </Text>
        </Alert>
      )}
      <Section title={progress ? t.progress : t.outcome}>
        <Stack gap="sm">
          <Group gap="sm">
            <RunState state={run.state} />
            {outcome && <Text size="sm">{summary(outcome.mirrors ?? [], run.state)}</Text>}
          </Group>
          {progress && <RunProgress progress={progress} />}
          <Facts
            items={[
              [t.beginning, f.time(run.started)],
              [t.begun, t.trigger[run.trigger]],
              [t.took, seconds !== undefined && f.duration(seconds)],
              [t.moved, outcome && (outcome.planned > 0 ? t.movedOf(f.bytes(outcome.moved), f.bytes(outcome.planned)) : f.bytes(outcome.moved))],
            ]}
          />
          <JobLink id={run.id} />
        </Stack>
      </Section>
      {outcome?.mirrors && outcome.mirrors.length > 0 && <Tallies rows={outcome.mirrors} />}
      {report && <RunImages images={report.images ?? []} />}
      {report?.deleted && report.deleted.length > 0 && <Deletions rows={report.deleted} />}
    </Stack>
  );
}

function RunProgress({ progress }: { progress: NonNullable<Run["progress"]> }) {
  const t = useText().mirrors;
  const f = useFormat();
  return (
    <Stack gap={4}>
      {progress.planned > 0 && <Progress value={Math.min(100, (100 * progress.moved) / progress.planned)} aria-label={t.progress} />}
      <Text size="sm" c="dimmed">
        {t.movedOf(f.bytes(progress.moved), f.bytes(progress.planned))} · {t.images(f.count(progress.copied), f.count(progress.images))}
      </Text>
    </Stack>
  );
}

function JobLink({ id }: { id: string }) {
  const t = useText().mirrors;
  const may = useMay("jobs.read");
  if (!may) return null;
  return (
    <Text size="sm">
      <Anchor component={Link} to={`/jobs/${id}`}>
        {t.log}
      </Anchor>
    </Text>
  );
}
