import { Alert, Anchor, Stack, Text } from "@mantine/core";
import { Link } from "react-router";
import { CheckIcon, ErrorIcon } from "../../../components/icons";
import { JobProgress } from "../../../components/JobState";
import { Shown } from "../../../components/States";
import { useFormat } from "../../../format";
import { fieldsOf, numberOf } from "../../../narrow";
import { useText } from "../../../text";
import { useJob, type Job } from "./job";

// Proof shows how a verification goes, and what it found.
export function Proof({ id }: { id: string }) {
  const query = useJob(id);
  return <Shown query={query}>{(job) => <Proved job={job} />}</Shown>;
}

function Proved({ job }: { job: Job }) {
  const text = useText().land;
  const f = useFormat();
  const toJob = (
    <Anchor component={Link} to={`/jobs/${job.id}`} size="sm">
      {text.landing.job}
    </Anchor>
  );
  if (job.state === "done") {
    return (
      <Alert color="teal" icon={<CheckIcon />} title={text.proof.good(f.bytes(numberOf(fieldsOf(job.result).bytes)))}>
        {toJob}
      </Alert>
    );
  }
  if (job.state === "failed" || job.state === "cancelled") {
    return (
      <Alert color="red" icon={<ErrorIcon />} title={job.state === "failed" ? text.proof.bad : text.landing.cancelled} role="alert">
        <Text size="sm">{job.error?.message}</Text>
        {toJob}
      </Alert>
    );
  }
  return (
    <Stack gap="xs" role="status">
      <Text size="sm" fw={500}>
        {text.proof.running}
      </Text>
      <JobProgress job={job} />
    </Stack>
  );
}
