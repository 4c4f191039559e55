import { Alert, Button, Group, List, Radio, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { ask, client, Failure, type Schema } from "../../api/client";
import { CodeBlock } from "../../components/Copy";
import { Facts } from "../../components/Facts";
import { DownloadIcon } from "../../components/icons";
import { Shown } from "../../components/States";
import { useFormat } from "../../format";
import { useText } from "../../text";
import { Forward } from "./Forward";
import { OwnCertificate } from "./OwnCertificate";
import { StepBody } from "./Steps";

type Status = Schema<"CertsStatus">;

// TlsStep shows how the appliance proves itself to browsers and hosts, and takes
// another certificate.
export function TlsStep() {
  const t = useText().setup;
  const query = useQuery({ queryKey: ["tls"], queryFn: () => ask(client.GET("/api/v1/tls")) });
  const absent = query.error instanceof Failure && query.error.problem?.status === 404;
  return (
    <StepBody title={t.tlsTitle} about={t.tlsAbout}>
      {absent ? (
        <>
          <Alert color="blue" role="note">{t.noTls}</Alert>
          <Forward step="tls" />
        </>
      ) : (
        <Shown query={query}>{(status) => <Choice status={status} />}</Shown>
      )}
    </StepBody>
  );
}

function Choice({ status }: { status: Status }) {
  return (
    <Stack>
      <Warnings list={status.warnings ?? []} />
      <Authority status={status} />
      {status.custom ? <Custom status={status} certificate={status.custom} /> : <OwnOrCustom status={status} />}
    </Stack>
  );
}

function Warnings({ list }: { list: string[] }) {
  const t = useText().setup;
  if (list.length === 0) return null;
  return (
    <Alert color="yellow" role="note" title={t.warnings}>
      <List size="sm">
        {[...new Set(list)].map((w) => (
          <List.Item key={w}>{w}</List.Item>
        ))}
      </List>
    </Alert>
  );
}

function OwnOrCustom({ status }: { status: Status }) {
  const t = useText().setup;
  const [choice, setChoice] = useState("own");
  return (
    <>
      <Radio.Group label={t.whichCertificate} value={choice} onChange={setChoice}>
        <Stack gap="xs" mt="xs">
          <Radio value="own" label={t.keepOwn} description={t.keepOwnHint} />
          <Radio value="custom" label={t.useCustom} description={t.useCustomHint} />
        </Stack>
      </Radio.Group>
      {choice === "own" ? <Forward step="tls" /> : <OwnCertificate version={status.version} action={t.setCertificate} />}
    </>
  );
}

function Authority({ status }: { status: Status }) {
  const t = useText().setup;
  const f = useFormat();
  return (
    <Stack gap="sm">
      <CodeBlock label={t.fingerprint} value={status.authority.fingerprint} />
      <List size="sm" c="dimmed">
        <List.Item>{t.compare}</List.Item>
        <List.Item>{t.trustCa}</List.Item>
      </List>
      <Facts
        items={[
          [t.validUntil, f.date(status.authority.validUntil)],
          [t.coveredNames, status.own.names?.join(", ")],
        ]}
      />
      <Group>
        <Button component="a" href="/api/v1/tls/ca.pem" download="ca.pem" variant="default" leftSection={<DownloadIcon size={16} />}>
          {t.downloadCa}
        </Button>
      </Group>
    </Stack>
  );
}

// Custom is there when another certificate is in use.
function Custom({ status, certificate }: { status: Status; certificate: Schema<"Certificate"> }) {
  const t = useText().setup;
  const f = useFormat();
  const [replacing, setReplacing] = useState(false);
  return (
    <>
      <div>
        <Title order={3} mb={4}>
          {t.customInUse}
        </Title>
        <Facts
          items={[
            [t.subject, certificate.subject],
            [t.issuer, certificate.issuer],
            [t.validUntil, f.date(certificate.validUntil)],
            [t.coveredNames, certificate.names?.join(", ")],
          ]}
        />
      </div>
      {replacing ? (
        <OwnCertificate version={status.version} action={t.replaceCertificate} />
      ) : (
        <Group>
          <Button variant="default" onClick={() => setReplacing(true)}>
            {t.replaceCertificate}
          </Button>
        </Group>
      )}
      <Text size="sm" c="dimmed">
        {t.backToOwn}
      </Text>
      <Forward step="tls" />
    </>
  );
}
