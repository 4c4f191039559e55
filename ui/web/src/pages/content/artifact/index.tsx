import { Alert, List, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useSearchParams } from "react-router";
import { ask, client, Failure, type Schema } from "../../../api/client";
import { Page, Section } from "../../../components/Page";
import { PullCommands } from "../../../components/PullCommands";
import { Shown } from "../../../components/States";
import { useText } from "../../../text";
import { repositoryPath, shortName, splitName } from "../names";
import { About } from "./About";
import { ArtifactActions } from "./ArtifactActions";
import { Annotations, Config } from "./Config";
import { Documents } from "./Documents";
import { History } from "./History";
import { Kept } from "./Kept";
import { Layers } from "./Layers";
import { Platforms } from "./Platforms";
import { Referrers } from "./Referrers";
import { Verdict } from "./Verdict";

export type Artifact = Schema<"Artifact">;

// ArtifactPage shows what is behind a name.
export default function ArtifactPage() {
  const t = useText().content;
  const [params] = useSearchParams();
  const name = params.get("name") ?? "";
  const { repository } = splitName(name);
  const query = useQuery({ queryKey: ["content", "artifact", name], queryFn: () => ask(client.GET("/api/v1/content/artifact", { params: { query: { name } } })) });
  return (
    <Page
      title={shortName(name)}
      path={[
        { to: "/content", label: t.title },
        { to: repositoryPath(query.data?.repository ?? repository), label: query.data?.repository ?? repository },
      ]}
      actions={query.data && <ArtifactActions artifact={query.data} />}
    >
      <Shown query={query}>{(artifact) => <Parts artifact={artifact} />}</Shown>
      {isGone(query) && <History name={name} />}
    </Page>
  );
}

// isGone says that there is no such name. It may have been here once.
const isGone = (query: { data?: Artifact; error: Error | null }) => !query.data && query.error instanceof Failure && query.error.problem?.status === 404;

function Parts({ artifact }: { artifact: Artifact }) {
  const t = useText().content;
  const { tag } = splitName(artifact.name);
  const pulled = artifact.kind === "image" || artifact.kind === "index" || artifact.kind === "chart";
  return (
    <Stack>
      <Wrong artifact={artifact} />
      <About artifact={artifact} />
      <Verdict artifact={artifact} />
      <Documents artifact={artifact} />
      {pulled && (
        <Section title={t.pull.title}>
          <PullCommands repository={artifact.repository} tag={tag} digest={artifact.digest} chart={artifact.kind === "chart"} />
        </Section>
      )}
      <Platforms artifact={artifact} />
      <Layers artifact={artifact} />
      <Config artifact={artifact} />
      <Referrers artifact={artifact} />
      <Kept artifact={artifact} />
      <History name={artifact.name} />
      <Annotations artifact={artifact} />
    </Stack>
  );
}

// Wrong says what is damaged or missing of it, and how it becomes whole again.
function Wrong({ artifact }: { artifact: Artifact }) {
  const t = useText().content;
  const blobs = [artifact.config, ...(artifact.layers ?? [])].flatMap((b) => (b?.damaged ? [b.damaged] : []));
  const damaged = [...(artifact.damaged ? [artifact.damaged] : []), ...blobs];
  const problems = artifact.problems ?? [];
  return (
    <>
      {damaged.length > 0 && (
        <Alert color="red" title={t.damaged} role="alert">
          <Lines lines={damaged} />
          <Text size="sm" mt="xs">
            {t.heals}
          </Text>
        </Alert>
      )}
      {problems.length > 0 && (
        <Alert color="yellow" title={t.problems}>
          <Lines lines={problems} />
        </Alert>
      )}
      {artifact.attached && <Alert color="blue">{t.attachedText}</Alert>}
      {!!artifact.more?.length && <Alert color="blue">{t.notAll}</Alert>}
    </>
  );
}

function Lines({ lines }: { lines: string[] }) {
  return (
    <List size="sm">
      {lines.map((line, k) => (
        <List.Item key={k} style={{ overflowWrap: "anywhere" }}>
          {line}
        </List.Item>
      ))}
    </List>
  );
}
