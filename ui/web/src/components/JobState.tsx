import { Badge, Group, Progress, Stack, Text } from "@mantine/core";
import type { Schema } from "../api/client";
import { useFormat } from "../format";
import { useText } from "../text";

type Job = Schema<"Job">;

const colors: Record<Job["state"], string> = { queued: "gray", running: "blue", waiting: "yellow", done: "teal", failed: "red", cancelled: "gray" };

// JobState is a job's state by its word and a colour.
export function JobState({ state }: { state: Job["state"] }) {
  const t = useText();
  return (
    <Badge color={colors[state]} variant="light" style={{ textTransform: "none" }}>
      {t.jobs.state[state]}
    </Badge>
  );
}

// useJobTitle is what a job is called: its kind, and what it is done to.
export function useJobTitle() {
  const t = useText();
  return (job: Pick<Job, "kind" | "subject">) => {
    const kind = t.jobs.kind[job.kind] ?? job.kind;
    return job.subject ? `${kind} ${short(job.subject)}` : kind;
  };
}

// short is a subject without what only programs want: most of a bundle's id, and why a
// run of mirrors has begun.
function short(subject: string): string {
  return /^[0-9a-f]{32,}$/.test(subject) ? subject.slice(0, 12) : subject.replace(/ (manual|schedule|window)$/, "");
}

// JobProgress shows how far a job is that has not ended.
export function JobProgress({ job }: { job: Job }) {
  const t = useText();
  const f = useFormat();
  const p = job.progress;
  const total = p.totalBytes || p.totalItems || 0;
  const done = p.totalBytes ? (p.bytes ?? 0) : (p.items ?? 0);
  const parts = [
    p.phase && (t.jobs.phase[p.phase] ?? p.phase),
    p.totalBytes ? `${f.bytes(p.bytes ?? 0)} / ${f.bytes(p.totalBytes)}` : p.bytes ? f.bytes(p.bytes) : undefined,
    !p.totalBytes && p.totalItems ? t.jobs.items(f.count(p.items ?? 0), f.count(p.totalItems)) : undefined,
    p.rate ? f.rate(p.rate) : undefined,
    p.remaining !== undefined ? t.jobs.remaining(f.duration(p.remaining)) : undefined,
  ].filter((x): x is string => !!x);
  return (
    <Stack gap={4}>
      {total > 0 && <Progress value={Math.min(100, (100 * done) / total)} aria-label={t.jobs.progress} size="md" />}
      <Group gap="xs">
        <Text size="sm" c="dimmed">
          {parts.join(" · ")}
        </Text>
      </Group>
    </Stack>
  );
}
