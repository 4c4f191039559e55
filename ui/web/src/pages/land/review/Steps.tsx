import { Group, Loader, Stack, Text, ThemeIcon } from "@mantine/core";
import { CheckIcon, ClockIcon, CloseIcon } from "../../../components/icons";
import { useText } from "../../../text";
import type { Job } from "./job";

type StepState = "done" | "now" | "ahead" | "failed";

// Steps are the stations of a landing. One that was let in at the start is judged
// again by its job, before anything is brought in.
export function Steps({ job }: { job: Job }) {
  const t = useText().land.landing;
  const at = job.state === "done" ? 3 : job.progress.phase ? 1 : 0;
  const stopped = job.state === "failed" || job.state === "cancelled";
  const state = (n: number): StepState => (n < at ? "done" : n > at ? "ahead" : stopped ? "failed" : job.state === "running" ? "now" : "ahead");
  const attached = job.progress.phase === "attached" && job.state === "running";
  return (
    <Stack component="ol" gap="xs" m={0} p={0} aria-label={t.steps} style={{ listStyle: "none" }}>
      <Step state={state(0)} label={t.judged} />
      <Step state={state(1)} label={t.brought} more={attached ? t.attached : undefined} />
      <Step state={state(2)} label={t.visible} />
    </Stack>
  );
}

function Step({ state, label, more }: { state: StepState; label: string; more?: string }) {
  return (
    <Group component="li" gap="sm" wrap="nowrap" align="flex-start" aria-current={state === "now" ? "step" : undefined}>
      <Mark state={state} />
      <div>
        <Text fw={state === "now" ? 600 : 400} c={state === "ahead" ? "dimmed" : undefined}>
          {label}
        </Text>
        {more && <Text size="sm">{more}</Text>}
      </div>
    </Group>
  );
}

function Mark({ state }: { state: StepState }) {
  const words = useText().land.landing.step;
  const color = { done: "teal", now: "blue", ahead: "gray", failed: "red" }[state];
  return (
    <ThemeIcon variant="light" color={color} radius="xl" size="sm" mt={2} role="img" aria-label={words[state]}>
      {state === "done" && <CheckIcon size={14} />}
      {state === "now" && <Loader size={12} aria-hidden="true" />}
      {state === "ahead" && <ClockIcon size={14} />}
      {state === "failed" && <CloseIcon size={14} />}
    </ThemeIcon>
  );
}
