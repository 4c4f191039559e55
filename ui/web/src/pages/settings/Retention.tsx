import { Anchor, Button, Stack, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { Link } from "react-router";
import { ask, client } from "../../api/client";
import { useMay } from "../../api/session";
import { CodeBlock } from "../../components/Copy";
import { Page, Section } from "../../components/Page";
import { Shown, Trouble } from "../../components/States";
import { useText } from "../../text";
import { DocumentEditor } from "./documents/DocumentEditor";
import { retentionPolicy, useDocument, useDraft, useReplace, type Text as Document } from "./documents/useDocument";
import { Plan } from "./Plan";

// The fields of a policy; not in the dictionary, since they are no language.
const example = `version: 1
rules:
  - repositories: ["registry.local/team/**"]
    keep:
      last: 5
      tags: ["latest"]
      semver: ">=1.0.0"
      younger: 30d
    immutable: ["v.*"]
quotas:
  - prefix: registry.local/team
    size: 50GiB
`;

// Retention edits what the site keeps, and tries it before anything goes.
export default function Retention() {
  const t = useText().settings.retention;
  const query = useDocument(retentionPolicy);
  return (
    <Page title={t.title} about={t.about}>
      <Shown query={query}>{(document) => <Policy document={document} />}</Shown>
      <Section title={t.format} about={t.formatText}>
        <CodeBlock value={example} label={t.example} />
      </Section>
    </Page>
  );
}

function Policy({ document }: { document: Document }) {
  const t = useText().settings.retention;
  const mayWrite = useMay("settings.write");
  const mayApply = useMay("content.delete");
  const draft = useDraft(document);
  const replace = useReplace(retentionPolicy);
  const attempt = useMutation({
    mutationFn: (policy: string) => ask(client.POST("/api/v1/content/retain", { body: { dryRun: true, policy } })),
  });
  const tryIt = (
    <Button variant="default" loading={attempt.isPending} onClick={() => attempt.mutate(draft.text)}>
      {t.try}
    </Button>
  );
  const tried = attempt.data && attempt.variables === draft.text ? attempt.data : undefined;
  return (
    <>
      <Section title={t.policy} about={document.text.trim() === "" ? t.none : undefined}>
        <DocumentEditor label={t.text} about={t.textAbout} draft={draft} replace={replace} readOnly={!mayWrite} example={example} actions={mayApply && tryIt} />
      </Section>
      {attempt.error && <Trouble error={attempt.error} />}
      {tried && (
        <Section title={t.tried} about={draft.changed ? t.triedDraft : t.triedForce}>
          <Stack>
            <Plan result={tried} applicable={!draft.changed} done={attempt.reset} />
            <Text size="sm" c="dimmed">
              {t.frees}{" "}
              <Anchor component={Link} to="/settings/storage" underline="always">
                {t.toStorage}
              </Anchor>
            </Text>
          </Stack>
        </Section>
      )}
    </>
  );
}
