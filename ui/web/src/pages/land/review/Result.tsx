import { Alert, Anchor, Button, Group, Stack, Text } from "@mantine/core";
import { Link } from "react-router";
import { CodeBlock } from "../../../components/Copy";
import { CheckIcon, LandIcon, WarningIcon } from "../../../components/icons";
import { Names } from "../../../components/Names";
import { Section } from "../../../components/Page";
import { pathOf } from "../../../components/PullCommands";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import { landedOf, type Job } from "./job";

const mostListed = 1000; // names, by the job

// Result says what a landing has changed, and how to use it.
export function Result({ job }: { job: Job }) {
  const text = useText();
  const t = text.land.landing;
  const f = useFormat();
  const landed = landedOf(job);
  const names = landed?.names ?? [];
  const count = t.countNames(names.length, f.count(names.length));
  return (
    <Stack>
      <Alert color="teal" icon={<CheckIcon />} title={t.done} role="status">
        <Stack gap="sm">
          <Text size="sm">{landed && landed.moved > 0 ? t.doneText(count, f.bytes(landed.moved)) : t.doneNothing(count)}</Text>
          <Group>
            <Button component={Link} to="/land" leftSection={<LandIcon size={18} />}>
              {t.another}
            </Button>
            <Anchor component={Link} to={`/jobs/${job.id}`} size="sm">
              {t.job}
            </Anchor>
          </Group>
        </Stack>
      </Alert>
      {landed && landed.warnings.length > 0 && (
        <Alert color="yellow" icon={<WarningIcon />} title={text.land.review.warnings}>
          {landed.warnings.map((w) => (
            <Text size="sm" key={w}>
              {w}
            </Text>
          ))}
        </Alert>
      )}
      {names.length > 0 && (
        <Section title={t.names} about={names.length >= mostListed ? t.atMost : undefined}>
          <Stack>
            <Names names={names} />
            <CodeBlock label={t.pull} value={`docker pull ${location.host}/${pathOf(names[0] ?? "")}`} />
          </Stack>
        </Section>
      )}
    </Stack>
  );
}
