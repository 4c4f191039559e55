import { Alert, Anchor, Button, Group, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "react-router";
import { ask, client } from "../../../api/client";
import { useMay } from "../../../api/session";
import { useConfirm } from "../../../components/Confirm";
import { Folded } from "../../../components/Folded";
import { DriveIcon, ErrorIcon, InfoIcon, RefreshIcon, StopIcon } from "../../../components/icons";
import { JobProgress, JobState } from "../../../components/JobState";
import { Section } from "../../../components/Page";
import { Shown, Trouble } from "../../../components/States";
import { useText } from "../../../text";
import { useJob, type Job } from "./job";
import { Result } from "./Result";
import { Steps } from "./Steps";

// Landing shows how a landing goes, and what has come of it.
export function Landing({ id }: { id: string }) {
  const query = useJob(id);
  return <Shown query={query}>{(job) => (job.state === "done" ? <Result job={job} /> : <Going job={job} />)}</Shown>;
}

function Going({ job }: { job: Job }) {
  const t = useText();
  const open = job.state === "queued" || job.state === "running" || job.state === "waiting";
  return (
    <Section title={t.jobs.progress} actions={<JobState state={job.state} />}>
      <Stack>
        <State job={job} />
        <Steps job={job} />
        {open && <JobProgress job={job.state === "running" ? job : { ...job, progress: { ...job.progress, phase: undefined } }} />}
        {open && (
          <Text size="sm" c="dimmed">
            {t.land.landing.goesOn}
          </Text>
        )}
        <Actions job={job} open={open} />
      </Stack>
    </Section>
  );
}

// State says what keeps a landing from going on.
function State({ job }: { job: Job }) {
  const text = useText();
  const t = text.land.landing;
  if (job.state === "queued") return <Text size="sm">{t.queued}</Text>;
  if (job.state === "waiting") {
    return (
      <Alert color="yellow" icon={<DriveIcon />} title={t.waits} role="status">
        <Text size="sm">{t.waitsText}</Text>
        {job.error && (
          <Folded title={text.common.details}>
            <Text size="sm" style={{ overflowWrap: "anywhere" }}>
              {job.error.message}
            </Text>
          </Folded>
        )}
      </Alert>
    );
  }
  if (job.state === "failed" || job.state === "cancelled") {
    return (
      <Alert color={job.state === "failed" ? "red" : "gray"} icon={job.state === "failed" ? <ErrorIcon /> : <InfoIcon />} title={job.state === "failed" ? t.failed : t.cancelled} role="alert">
        {job.error && (
          <Text size="sm" style={{ overflowWrap: "anywhere" }}>
            {job.error.message}
          </Text>
        )}
        <Text size="sm">{t.failedText}</Text>
      </Alert>
    );
  }
  return job.stuck ? <Alert color="orange">{job.stuck.message}</Alert> : null;
}

function Actions({ job, open }: { job: Job; open: boolean }) {
  const t = useText();
  const may = useMay("jobs.write");
  const confirm = useConfirm();
  const cache = useQueryClient();
  const path = { params: { path: { id: job.id } } };
  const again = () => cache.invalidateQueries({ queryKey: ["jobs"] });
  const retry = useMutation({ mutationFn: () => ask(client.POST("/api/v1/jobs/{id}/retry", path)), onSuccess: again });
  const cancel = () =>
    confirm({ title: t.jobs.cancelTitle(t.jobs.kind.import ?? ""), destroys: t.jobs.cancelText, undo: true, action: t.jobs.cancel, act: () => ask(client.POST("/api/v1/jobs/{id}/cancel", path)).then(again) });
  return (
    <Stack gap="sm">
      <Group>
        {may && open && !job.cancelRequested && (
          <Button variant="default" leftSection={<StopIcon size={16} />} onClick={cancel}>
            {t.jobs.cancel}
          </Button>
        )}
        {may && !open && (
          <Button leftSection={<RefreshIcon size={16} />} loading={retry.isPending} onClick={() => retry.mutate()}>
            {t.jobs.retry}
          </Button>
        )}
        <Anchor component={Link} to={`/jobs/${job.id}`} size="sm">
          {t.land.landing.job}
        </Anchor>
      </Group>
      {job.cancelRequested && open && <Text size="sm">{t.jobs.cancelling}</Text>}
      {retry.error && <Trouble error={retry.error} />}
    </Stack>
  );
}
