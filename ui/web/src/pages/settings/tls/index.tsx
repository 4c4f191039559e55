import { Alert, Anchor, Button, List, Text } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { ask, client, Failure, ifMatch, type Schema } from "../../../api/client";
import { useMay } from "../../../api/session";
import { useConfirm } from "../../../components/Confirm";
import { DownloadIcon, ShieldIcon } from "../../../components/icons";
import { Page, Section } from "../../../components/Page";
import { Empty, Shown } from "../../../components/States";
import { useText } from "../../../text";
import { SettingsForm } from "../runtime/SettingsForm";
import { CertificateFacts } from "./CertificateFacts";
import { SetCertificate } from "./SetCertificate";

type Status = Schema<"CertsStatus">;

// Tls shows with which certificates the appliance proves itself.
export default function Tls() {
  const t = useText().settings.tls;
  const query = useQuery({ queryKey: ["tls"], queryFn: () => ask(client.GET("/api/v1/tls")) });
  const mayRead = useMay("settings.read");
  const none = query.error instanceof Failure && query.error.kind === "not_found";
  if (none) {
    return (
      <Page title={t.title} about={t.about}>
        <Empty icon={<ShieldIcon />} title={t.none}>
          {t.noneText}
        </Empty>
      </Page>
    );
  }
  return (
    <Page title={t.title} about={t.about}>
      <Shown query={query}>{(status) => <Parts status={status} />}</Shown>
      {mayRead && <SettingsForm parts={[{ title: t.names, about: t.namesAbout, wanted: (n) => n.startsWith("tls.") }]} />}
    </Page>
  );
}

function Parts({ status }: { status: Status }) {
  const t = useText().settings.tls;
  return (
    <>
      <Warnings list={[...new Set(status.warnings)]} />
      {location.protocol === "http:" && <Alert color="blue">{t.plain}</Alert>}
      <Served status={status} />
      <Authority of={status.authority} />
    </>
  );
}

function Warnings({ list }: { list: string[] }) {
  const t = useText().settings.tls;
  if (list.length === 0) return null;
  return (
    <Alert color="orange" title={t.warnings}>
      <List size="sm">
        {list.map((w) => (
          <List.Item key={w}>{w}</List.Item>
        ))}
      </List>
    </Alert>
  );
}

function Served({ status }: { status: Status }) {
  const t = useText().settings.tls;
  const may = useMay("settings.write");
  const [setting, setSetting] = useState(false);
  const confirm = useConfirm();
  const cache = useQueryClient();
  const custom = status.custom;
  const reset = async () => {
    cache.setQueryData(["tls"], await ask(client.DELETE("/api/v1/tls/certificate", { params: ifMatch(status.version) })));
  };
  const actions = may && (
    <>
      {custom && (
        <Button variant="default" onClick={() => confirm({ title: t.resetTitle, destroys: t.resetText, action: t.reset, act: reset })}>
          {t.reset}
        </Button>
      )}
      <Button onClick={() => setSetting(true)}>{custom ? t.replace : t.set}</Button>
    </>
  );
  return (
    <Section title={custom ? t.custom : t.own} about={custom ? t.customAbout : t.ownAbout} actions={actions}>
      <CertificateFacts certificate={custom ?? status.own} />
      {may && <SetCertificate version={status.version} opened={setting} close={() => setSetting(false)} />}
    </Section>
  );
}

function Authority({ of: authority }: { of: Schema<"Certificate"> }) {
  const t = useText().settings.tls;
  const mayHosts = useMay("hosts.read");
  const download = (
    <Button component="a" href="/api/v1/tls/ca.pem" download="landfall-ca.pem" variant="default" leftSection={<DownloadIcon size={16} />}>
      {t.download}
    </Button>
  );
  return (
    <Section title={t.authority} about={t.authorityAbout} actions={download}>
      <CertificateFacts certificate={authority} />
      {mayHosts && (
        <Text size="sm" mt="sm">
          {t.hosts}{" "}
          <Anchor component={Link} to="/hosts" underline="always">
            {t.toHosts}
          </Anchor>
        </Text>
      )}
    </Section>
  );
}
