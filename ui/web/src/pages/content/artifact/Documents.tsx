import { Alert, Button, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo, type ReactNode } from "react";
import { ask, client, type Schema } from "../../../api/client";
import { CodeBlock } from "../../../components/Copy";
import { Folded } from "../../../components/Folded";
import { DownloadIcon } from "../../../components/icons";
import { Section } from "../../../components/Page";
import { pathOf } from "../../../components/PullCommands";
import { Shown } from "../../../components/States";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import { ChartFacts } from "./ChartFacts";
import type { Artifact } from "./index";
import { parse } from "./json";
import { sbomOf } from "./sbom";
import { SbomView } from "./SbomView";
import { statementOf, unwrap } from "./statement";
import { StatementView } from "./StatementView";

type Blob = Schema<"Blob">;

// As much as the appliance gives out for being looked at.
const maxShown = 8 << 20;

// Documents are what one comes to this artifact for, when it is no image: an SBOM, a
// statement, a signature, what a chart says of itself.
export function Documents({ artifact: a }: { artifact: Artifact }) {
  const t = useText().content;
  if (a.kind === "chart" && a.config) {
    return (
      <Section title={t.chart.title}>
        <Read repository={a.repository} blob={a.config}>
          {(content) => <ChartFacts content={content} />}
        </Read>
      </Section>
    );
  }
  if (a.kind !== "sbom" && a.kind !== "attestation" && a.kind !== "signature") return null;
  const kind = a.kind;
  const layers = a.layers ?? [];
  const title = (blob: Blob, k: number) => {
    const name = blob.annotations?.["org.opencontainers.image.title"] ?? t.kind[kind];
    return layers.length > 1 ? t.oneOf(name, k + 1, layers.length) : name;
  };
  return layers.map((blob, k) => (
    <Section key={`${k} ${blob.digest}`} title={title(blob, k)}>
      <Read repository={a.repository} blob={blob}>
        {(content) => <DocumentView content={content} />}
      </Read>
    </Section>
  ));
}

// Read shows a blob's content, or how to get it when it is too large for that.
function Read({ repository, blob, children }: { repository: string; blob: Blob; children: (content: string) => ReactNode }) {
  const t = useText();
  const f = useFormat();
  const query = { repository, digest: blob.digest };
  const here = blob.present && !blob.damaged;
  const small = blob.size <= maxShown;
  const content = useQuery({
    queryKey: ["content", "blob", repository, blob.digest],
    queryFn: () => ask(client.GET("/api/v1/content/blob", { params: { query }, parseAs: "text" })),
    enabled: here && small,
    staleTime: Infinity, // a digest stands for the same bytes always
  });
  if (!here) return <Alert color="yellow">{blob.damaged ?? t.content.documentMissing}</Alert>;
  if (!small) {
    const url = `${window.location.origin}/v2/${pathOf(repository)}/blobs/${blob.digest}`;
    return (
      <Stack gap="sm">
        <Text size="sm">{t.content.documentLarge(f.bytes(blob.size))}</Text>
        <CodeBlock label={t.content.documentCommand} value={`curl -fLO ${url}`} />
      </Stack>
    );
  }
  return (
    <Shown query={content}>
      {(read) => (
        <Stack gap="md">
          {children(read)}
          <Raw content={read} href={`/api/v1/content/blob?${new URLSearchParams(query).toString()}`} />
        </Stack>
      )}
    </Shown>
  );
}

function DocumentView({ content }: { content: string }) {
  const t = useText().content;
  const { sbom, statement } = useMemo(() => {
    const document = unwrap(parse(content));
    const statement = statementOf(document);
    return { statement, sbom: sbomOf(statement ? statement.predicate : document) };
  }, [content]);
  return (
    <>
      {statement && <StatementView statement={statement} />}
      {sbom && <SbomView sbom={sbom} />}
      {!statement && !sbom && <Text size="sm">{t.documentUnknown}</Text>}
    </>
  );
}

// Longer than this, a text makes browsers slow.
const rawShown = 200_000;

function Raw({ content, href }: { content: string; href: string }) {
  const t = useText();
  const pretty = useMemo(() => {
    const value = unwrap(parse(content));
    return value === undefined ? content : JSON.stringify(value, null, 2);
  }, [content]);
  return (
    <Stack gap="xs" align="flex-start">
      <Button component="a" href={href} download variant="default" size="xs" leftSection={<DownloadIcon size={16} />}>
        {t.common.download}
      </Button>
      <div style={{ width: "100%" }}>
        <Folded title={t.content.raw}>
          {pretty.length > rawShown && (
            <Text size="sm" c="dimmed">
              {t.content.rawCut}
            </Text>
          )}
          <CodeBlock label={t.content.raw} value={pretty.slice(0, rawShown)} maxHeight={480} />
        </Folded>
      </div>
    </Stack>
  );
}
