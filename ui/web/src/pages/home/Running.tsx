import { Anchor, Group, Stack, Text } from "@mantine/core";
import { Link } from "react-router";
import type { Schema } from "../../api/client";
import { JobProgress, JobState, useJobTitle } from "../../components/JobState";
import { Section } from "../../components/Page";
import { Shown } from "../../components/States";
import { useText } from "../../text";
import classes from "./home.module.css";
import { useLiveJobs } from "./queries";

const few = 6;

// Running shows the jobs that have not ended, as they go on.
export function Running() {
  const t = useText().home.running;
  const query = useLiveJobs();
  return (
    <Section
      title={t.title}
      actions={
        <Anchor component={Link} to="/jobs" size="sm">
          {t.all}
        </Anchor>
      }
    >
      <Shown query={query}>
        {(jobs) =>
          jobs.length === 0 ? (
            <Text c="dimmed" size="sm">
              {t.none}
            </Text>
          ) : (
            <ul className={classes.rows}>
              {jobs.slice(0, few).map((j) => (
                <One key={j.id} job={j} />
              ))}
            </ul>
          )
        }
      </Shown>
    </Section>
  );
}

function One({ job }: { job: Schema<"Job"> }) {
  const t = useText().home.running;
  const title = useJobTitle();
  const why = job.stuck?.message ?? job.error?.message ?? (job.waitsFor ? t.waitsFor(job.waitsFor) : undefined);
  return (
    <li>
      <Stack gap={4}>
        <Group justify="space-between" gap="xs" wrap="nowrap">
          <Anchor component={Link} to={`/jobs/${job.id}`} style={{ overflowWrap: "anywhere", minWidth: 0 }}>
            {title(job)}
          </Anchor>
          <JobState state={job.state} />
        </Group>
        {job.state === "running" && <JobProgress job={job} />}
        {why && (
          <Text size="sm" c="dimmed">
            {why}
          </Text>
        )}
      </Stack>
    </li>
  );
}
