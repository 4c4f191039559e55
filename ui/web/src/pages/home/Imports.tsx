import { Anchor, Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { ask, client, type Schema } from "../../api/client";
import { JobState, useJobTitle } from "../../components/JobState";
import { NameLink } from "../../components/Names";
import { Section } from "../../components/Page";
import { Shown } from "../../components/States";
import { useFormat } from "../../format";
import { fieldsOf, isObject, textOf, textsOf } from "../../narrow";
import { useText } from "../../text";
import classes from "./home.module.css";

type Job = Schema<"Job">;

// Imports are the last few, with what they brought and who signed it.
export function Imports() {
  const t = useText().home.imports;
  const query = useQuery({ queryKey: ["bundles", "latest"], queryFn: () => ask(client.GET("/api/v1/bundles/imports", { params: { query: { limit: 5 } } })), refetchInterval: 60_000 });
  return (
    <Section
      title={t.title}
      actions={
        <Anchor component={Link} to="/jobs?kind=import" size="sm">
          {t.all}
        </Anchor>
      }
    >
      <Shown query={query}>
        {({ items }) =>
          !items || items.length === 0 ? (
            <Text c="dimmed" size="sm">
              {t.none}
            </Text>
          ) : (
            <ul className={classes.rows}>
              {items.map((j) => (
                <One key={j.id} job={j} />
              ))}
            </ul>
          )
        }
      </Shown>
    </Section>
  );
}

const few = 2;

function One({ job }: { job: Job }) {
  const t = useText().home.imports;
  const f = useFormat();
  const title = useJobTitle();
  const did = useResult(job);
  const names = textsOf(did.names);
  const signers = textsOf(fieldsOf(did.verdict).signers);
  const signed = signers.length > 0 ? t.signed(f.list(signers)) : isObject(did.verdict) ? t.unsigned : undefined;
  const about = [textOf(did.source), signed].filter((x) => x);
  return (
    <li>
      <Stack gap={2}>
        <Group justify="space-between" gap="xs" wrap="nowrap">
          <Text size="sm" c="dimmed" style={{ minWidth: 0, overflowWrap: "anywhere" }}>
            <Anchor component={Link} to={`/jobs/${job.id}`}>
              {title(job)}
            </Anchor>
            {` · ${f.relative(job.ended ?? job.created)}`}
          </Text>
          <JobState state={job.state} />
        </Group>
        {names.slice(0, few).map((n) => (
          <Text key={n} size="sm">
            <NameLink name={n} />
          </Text>
        ))}
        {names.length > few && <Text size="sm">{t.more(names.length - few, f.count(names.length - few))}</Text>}
        <Text size="sm" c="dimmed" style={{ overflowWrap: "anywhere" }}>
          {about.length > 0 ? about.join(" · ") : job.error?.message}
        </Text>
      </Stack>
    </li>
  );
}

// useResult is what an import that is done did. Lists of jobs do not have that, and
// it does not change any more.
function useResult(job: Job) {
  const query = useQuery({
    queryKey: ["import", job.id],
    queryFn: () => ask(client.GET("/api/v1/jobs/{id}", { params: { path: { id: job.id } } })),
    enabled: job.state === "done",
    staleTime: Infinity,
  });
  return fieldsOf(query.data?.result);
}
