import { Alert, Anchor, Button, Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import type { ReactNode } from "react";
import { ask, client, Failure, type Schema } from "../../api/client";
import { CodeBlock } from "../../components/Copy";
import { Facts } from "../../components/Facts";
import { Folded } from "../../components/Folded";
import { CheckIcon, DownloadIcon, WarningIcon } from "../../components/icons";
import { Names } from "../../components/Names";
import { Section } from "../../components/Page";
import { useFormat } from "../../format";
import { fieldsOf, isObject, numberOf, textOf, textsOf, type Fields } from "../../narrow";
import { useText } from "../../text";
import { Collected } from "./Collected";
import { Scrubbed } from "./Scrubbed";

type Job = Schema<"Job">;

// JobResult says what a job did in people's terms. The whole of it is there, too.
export function JobResult({ job }: { job: Job }) {
  const t = useText().jobs;
  if (job.result === undefined || (job.result === null && job.kind !== "scrub")) return null;
  return (
    <Section title={t.result}>
      <Stack gap="sm">
        {told(job)}
        {isObject(job.result) && (
          <Folded title={t.asJson}>
            <CodeBlock value={JSON.stringify(job.result, null, 2)} label={t.result} maxHeight={360} />
          </Folded>
        )}
      </Stack>
    </Section>
  );
}

function told(job: Job): ReactNode {
  const did = fieldsOf(job.result);
  switch (job.kind) {
    case "import":
      return <Landed did={did} />;
    case "export":
      return <Exported id={job.id} did={did} />;
    case "verify":
      return <Verified did={did} />;
    case "scrub":
      return <Scrubbed did={job.result === null ? undefined : did} />;
    case "collect":
      return <Collected did={did} />;
    case "sync":
      return <Mirrored id={job.id} />;
  }
  return null;
}

function Landed({ did }: { did: Fields }) {
  const t = useText().jobs.landed;
  const f = useFormat();
  const names = textsOf(did.names);
  const verdict = fieldsOf(did.verdict);
  const signers = textsOf(verdict.signers);
  const warnings = textsOf(verdict.warnings);
  const present = numberOf(did.present);
  return (
    <Stack gap="sm">
      <Facts
        items={[
          [t.from, textOf(did.source)],
          [t.moved, t.movedOf(f.bytes(numberOf(did.moved)), f.bytes(numberOf(did.total)))],
          [t.present, present > 0 && t.presentCount(present, f.count(present))],
          [t.signers, isObject(did.verdict) && (signers.length > 0 ? f.list(signers) : t.unsigned)],
          [t.bundle, textOf(did.bundle)],
        ]}
      />
      {warnings.length > 0 && (
        <Alert color="yellow" icon={<WarningIcon />} title={t.warnings}>
          {warnings.map((w) => (
            <Text size="sm" key={w}>
              {w}
            </Text>
          ))}
        </Alert>
      )}
      {names.length > 0 && (
        <div>
          <Text size="sm" c="dimmed" mb={4}>
            {names.length < 1000 ? t.names(names.length, f.count(names.length)) : t.manyNames}
          </Text>
          <Names names={names} />
        </div>
      )}
    </Stack>
  );
}

function Exported({ id, did }: { id: string; did: Fields }) {
  const t = useText().jobs.exported;
  const f = useFormat();
  // The job outlives its file: its first byte says whether that is there.
  const file = useQuery({
    queryKey: ["bundles", "download", id],
    queryFn: () => ask(client.GET("/api/v1/bundles/exports/{id}/content", { params: { path: { id } }, headers: { Range: "bytes=0-0" }, parseAs: "text" })).then(() => true),
  });
  const gone = file.error instanceof Failure && file.error.problem?.status === 404;
  return (
    <Stack gap="sm">
      <Facts
        items={[
          [t.names, f.count(numberOf(did.names))],
          [t.size, f.bytes(numberOf(did.size))],
          [t.id, textOf(did.id)],
        ]}
      />
      {gone ? (
        <Text size="sm">{t.gone}</Text>
      ) : (
        <Group>
          <Button component="a" href={`/api/v1/bundles/exports/${id}/content`} download leftSection={<DownloadIcon size={16} />}>
            {t.download}
          </Button>
        </Group>
      )}
    </Stack>
  );
}

function Verified({ did }: { did: Fields }) {
  const t = useText().jobs;
  const f = useFormat();
  return (
    <Stack gap="sm">
      <Alert color="teal" icon={<CheckIcon />}>
        {t.verified.ok}
      </Alert>
      <Facts
        items={[
          [t.landed.from, textOf(did.source)],
          [t.verified.bytes, f.bytes(numberOf(did.bytes))],
          [t.landed.bundle, textOf(did.bundle)],
        ]}
      />
    </Stack>
  );
}

// Mirrored leads to the run: it has a page of its own, with what it changed.
function Mirrored({ id }: { id: string }) {
  const t = useText().jobs;
  return (
    <Text size="sm">
      <Anchor component={Link} to={`/mirrors/runs/${id}`}>
        {t.toRun}
      </Anchor>
    </Text>
  );
}
