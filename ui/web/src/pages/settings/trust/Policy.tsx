import { Alert } from "@mantine/core";
import { useMay } from "../../../api/session";
import { CodeBlock } from "../../../components/Copy";
import { Folded } from "../../../components/Folded";
import { Section } from "../../../components/Page";
import { Shown } from "../../../components/States";
import { useText } from "../../../text";
import { DocumentEditor } from "../documents/DocumentEditor";
import { trustPolicy, useDocument, useDraft, useReplace, type Text } from "../documents/useDocument";

// All fields of a policy; not in the dictionary, since they are no language.
const example = `version: 1
keys:
  - owner: build team
    pem: |
      -----BEGIN PUBLIC KEY-----
      (the lines of NAME.pub)
      -----END PUBLIC KEY-----
    channels: [stable, "edge/**"]
    notBefore: 2026-01-01
    notAfter: 2028-01-01
    revoked: {since: 2026-05-01, reason: laptop lost}
bundles:
  - channel: stable
    signatures: 2
    maxAge: 90d
    rollback: refuse
images:
  - repositories: ["docker.io/library/**"]
    keys: [ID]
    unsigned: refuse
unsigned: refuse
pushes: allow
`;

const beginning = `version: 1
keys: []
# bundles without any signature: refuse or allow
unsigned: allow
# docker push and the like: allow or refuse
pushes: allow
`;

// Policy edits the text of the trust policy.
export function Policy() {
  const t = useText().settings.trust;
  const query = useDocument(trustPolicy);
  return (
    <Section title={t.policy} about={t.policyAbout}>
      <Shown query={query}>{(document) => <Editor document={document} />}</Shown>
      <Folded title={t.format}>
        <CodeBlock value={example} label={t.formatText} />
      </Folded>
    </Section>
  );
}

function Editor({ document }: { document: Text }) {
  const t = useText().settings.trust;
  const may = useMay("trust.write");
  const draft = useDraft(document);
  const replace = useReplace(trustPolicy);
  return (
    <>
      {document.text.trim() === "" && (
        <Alert color="yellow" mb="sm">
          {t.noPolicy}
        </Alert>
      )}
      <DocumentEditor label={t.text} about={t.textAbout} draft={draft} replace={replace} readOnly={!may} example={beginning} />
    </>
  );
}
