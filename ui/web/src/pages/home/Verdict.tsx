import { ActionIcon, Button, Card, Group, Stack, Text, Title, Tooltip } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "react-router";
import { ask, client, keyed } from "../../api/client";
import { useMay } from "../../api/session";
import { Folded } from "../../components/Folded";
import { CheckIcon, ClockIcon, ErrorIcon, RefreshIcon, WarningIcon } from "../../components/icons";
import { useJobTitle } from "../../components/JobState";
import { Trouble } from "../../components/States";
import { useFormat } from "../../format";
import { useText } from "../../text";
import classes from "./home.module.css";
import { isSettled, problemsOf, type Act, type Problem } from "./problems";
import { useSources } from "./queries";

// Verdict says in one line whether the site is all right, and below it what is not,
// each with what can be done about it.
export function Verdict() {
  const t = useText();
  const f = useFormat();
  const { again, looked, ...sources } = useSources();
  const problems = problemsOf(sources, { t, f, job: useJobTitle() });
  const settled = isSettled(sources);
  const level = problems[0]?.level ?? (settled ? "right" : sources.stats.data ? "rightSoFar" : "looking");
  const { Icon, color } = looks[level];
  return (
    <Card component="section" aria-label={t.home.verdict.title} className={classes.verdict} data-level={level}>
      <Group wrap="nowrap" gap="sm" align="center">
        <Icon size={28} className={classes.sign} style={{ color: `var(--mantine-color-${color})` }} />
        <div style={{ flex: 1, minWidth: 0 }} role="status">
          <Title order={2}>{t.home.verdict[level]}</Title>
          {looked > 0 && (
            <Text size="sm" c="dimmed">
              {Date.now() - looked < 60_000 ? t.home.verdict.lookedNow : t.home.verdict.looked(f.relative(looked))}
            </Text>
          )}
        </div>
        <Tooltip label={t.home.verdict.lookAgain}>
          <ActionIcon variant="subtle" color="gray" size="lg" onClick={again} aria-label={t.home.verdict.lookAgain} loading={!settled}>
            <RefreshIcon />
          </ActionIcon>
        </Tooltip>
      </Group>
      {problems.length > 0 && (
        <ul className={classes.problems}>
          {problems.map((p) => (
            <One key={p.key} problem={p} />
          ))}
        </ul>
      )}
    </Card>
  );
}

const looks = {
  right: { Icon: CheckIcon, color: "teal-text" },
  rightSoFar: { Icon: CheckIcon, color: "teal-text" },
  looking: { Icon: ClockIcon, color: "dimmed" },
  warning: { Icon: WarningIcon, color: "orange-text" },
  trouble: { Icon: ErrorIcon, color: "red-text" },
};

function One({ problem }: { problem: Problem }) {
  const t = useText();
  const { Icon, color } = looks[problem.level];
  return (
    <li className={classes.problem}>
      <Icon size={20} aria-hidden={undefined} role="img" aria-label={t.home.verdict.level[problem.level]} style={{ color: `var(--mantine-color-${color})`, flex: "none" }} />
      <Stack gap={2} className={classes.told}>
        <Text fw={600}>{problem.title}</Text>
        {problem.detail.length <= long && problem.detail && <Detail text={problem.detail} />}
        {problem.mend && (
          <Text size="sm" c="dimmed" className={classes.sentence}>
            {problem.mend}
          </Text>
        )}
        {problem.detail.length > long && (
          <Folded title={t.common.details}>
            <Detail text={problem.detail} />
          </Folded>
        )}
      </Stack>
      {problem.act && <Action act={problem.act} />}
    </li>
  );
}

// long is what nobody reads in passing, like the names of all that is damaged.
const long = 300;

function Detail({ text }: { text: string }) {
  return (
    <Text size="sm" className={classes.sentence}>
      {text}
    </Text>
  );
}

function Action({ act }: { act: Act }) {
  const may = useMay(act.right);
  if (!may) return null;
  if ("scrub" in act) return <Scrub label={act.label} />;
  return (
    <Button component={Link} to={act.to} variant="default" size="xs">
      {act.label}
    </Button>
  );
}

function Scrub({ label }: { label: string }) {
  const t = useText();
  const cache = useQueryClient();
  const scrub = useMutation({
    mutationFn: () => ask(client.POST("/api/v1/content/scrub", { params: keyed(), body: {} })),
    onSuccess: () => {
      notifications.show({ color: "teal", message: t.home.act.scrubbing });
      return cache.invalidateQueries({ queryKey: ["jobs"] });
    },
  });
  return (
    <>
      <Button variant="default" size="xs" loading={scrub.isPending} onClick={() => scrub.mutate()}>
        {label}
      </Button>
      {scrub.error && <Trouble error={scrub.error} />}
    </>
  );
}
