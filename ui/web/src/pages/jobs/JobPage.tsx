import { Alert, Button, Group, List, Stack, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useParams } from "react-router";
import { ask, client, type Schema } from "../../api/client";
import { useMay } from "../../api/session";
import { useConfirm } from "../../components/Confirm";
import { CodeBlock, Digest } from "../../components/Copy";
import { Facts } from "../../components/Facts";
import { Folded } from "../../components/Folded";
import { RefreshIcon, StopIcon } from "../../components/icons";
import { JobProgress, JobState, useJobTitle } from "../../components/JobState";
import { Page, Section } from "../../components/Page";
import { Shown, Trouble } from "../../components/States";
import { useFormat } from "../../format";
import { fieldsOf } from "../../narrow";
import { useText, type Dictionary } from "../../text";
import { JobAsked } from "./JobAsked";
import { goesOn, JobLog } from "./JobLog";
import { JobResult } from "./JobResult";

type Job = Schema<"Job">;

// JobPage shows one job: how far it is, what it tells, and what can be done with it.
export function JobPage() {
  const t = useText();
  const title = useJobTitle();
  const { id = "" } = useParams();
  const query = useQuery({ queryKey: ["jobs", "one", id], queryFn: () => ask(client.GET("/api/v1/jobs/{id}", { params: { path: { id } } })) });
  const name = query.data ? title(query.data) : id;
  return (
    <Page title={name} path={[{ to: "/jobs", label: t.jobs.title }]} actions={query.data && <JobActions job={query.data} name={name} />}>
      <Shown query={query}>{(job) => <JobParts job={job} />}</Shown>
    </Page>
  );
}

function JobActions({ job, name }: { job: Job; name: string }) {
  const t = useText();
  const may = useMay("jobs.write");
  const confirm = useConfirm();
  const cache = useQueryClient();
  const path = { params: { path: { id: job.id } } };
  const again = () => cache.invalidateQueries({ queryKey: ["jobs"] });
  const retry = useMutation({
    mutationFn: () => ask(client.POST("/api/v1/jobs/{id}/retry", path)),
    onSuccess: () => {
      notifications.show({ color: "teal", message: t.jobs.retried });
      return again();
    },
  });
  if (!may) return null;
  if (retry.error) return <Trouble error={retry.error} again={() => retry.mutate()} />;
  const open = goesOn(job);
  return (
    <>
      {open && !job.cancelRequested && (
        <Button
          variant="default"
          leftSection={<StopIcon size={16} />}
          onClick={() => confirm({ title: t.jobs.cancelTitle(name), destroys: t.jobs.cancelText, undo: true, action: t.jobs.cancel, act: () => ask(client.POST("/api/v1/jobs/{id}/cancel", path)).then(again) })}
        >
          {t.jobs.cancel}
        </Button>
      )}
      {(job.state === "failed" || job.state === "cancelled") && (
        <Button leftSection={<RefreshIcon size={16} />} loading={retry.isPending} onClick={() => retry.mutate()}>
          {t.jobs.retry}
        </Button>
      )}
    </>
  );
}

function JobParts({ job }: { job: Job }) {
  const t = useText();
  const open = goesOn(job);
  return (
    <Stack>
      {job.cancelRequested && open && <Alert color="yellow">{t.jobs.cancelling}</Alert>}
      <Why job={job} />
      <Section title={open ? t.jobs.progress : t.common.state}>
        <Stack gap="sm">
          <Group>
            <JobState state={job.state} />
          </Group>
          {open && <JobProgress job={job} />}
          <JobFacts job={job} />
        </Stack>
      </Section>
      <JobResult job={job} />
      <JobLog id={job.id} open={open} />
      {job.steps && job.steps.length > 0 && <Steps job={job} />}
      <JobAsked job={job} />
    </Stack>
  );
}

// What a problem has besides its own particulars.
const common = ["type", "title", "status", "detail", "kind", "instance"];

function Why({ job }: { job: Job }) {
  const t = useText();
  const mayLand = useMay("uploads.write");
  const more = Object.entries(fieldsOf(job.error?.detail)).filter(([name]) => !common.includes(name));
  const title = job.state === "failed" ? t.jobs.whyFailed : job.state === "waiting" ? t.jobs.whyWaiting : t.jobs.whyCancelled;
  return (
    <>
      {job.error && (
        <Alert color={job.state === "failed" ? "red" : "yellow"} title={title} role={job.state === "failed" ? "alert" : undefined}>
          <Text size="sm" style={{ overflowWrap: "anywhere" }}>
            {job.error.message}
          </Text>
          {job.state === "waiting" && mayLand && job.waitsFor?.startsWith(forBundle) && (
            <Button component={Link} to="/land" size="xs" variant="default" mt="xs">
              {t.shell.land}
            </Button>
          )}
          {more.length > 0 && (
            <Folded title={t.jobs.failureMore}>
              <CodeBlock value={JSON.stringify(Object.fromEntries(more), null, 2)} label={t.jobs.failureMore} maxHeight={300} />
            </Folded>
          )}
        </Alert>
      )}
      {job.stuck && (
        <Alert color="orange" title={t.jobs.stuck}>
          <Text size="sm">{job.stuck.message}</Text>
        </Alert>
      )}
    </>
  );
}

// How it begins what an import waits for whose medium was taken out.
const forBundle = "bundle ";

// waitsFor says it in people's words where we have them.
function waitsFor(t: Dictionary, what: string): string {
  return what.startsWith(forBundle) ? t.jobs.waitsForBundle(what.slice(forBundle.length)) : what;
}

function JobFacts({ job }: { job: Job }) {
  const t = useText();
  const f = useFormat();
  const span = job.started && job.ended ? f.duration((Date.parse(job.ended) - Date.parse(job.started)) / 1000) : undefined;
  return (
    <Facts
      items={[
        [t.jobs.owner, job.owner],
        [t.jobs.created, f.time(job.created)],
        [t.jobs.ended, job.ended && f.time(job.ended)],
        [t.jobs.took, span],
        [t.jobs.attempt, job.attempt > 1 ? f.count(job.attempt) : undefined],
        [t.jobs.waitsFor, job.waitsFor && waitsFor(t, job.waitsFor)],
        ["ID", <Digest value={job.id} length={32} key="id" />],
      ]}
    />
  );
}

function Steps({ job }: { job: Job }) {
  const t = useText();
  const f = useFormat();
  return (
    <Section title={t.jobs.steps}>
      <List size="sm">
        {job.steps?.map((s) => (
          <List.Item key={s.name}>
            {s.name}{" "}
            <Text span c="dimmed" size="sm">
              {f.time(s.ended)}
            </Text>
          </List.Item>
        ))}
      </List>
    </Section>
  );
}
