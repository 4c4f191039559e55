import { Button, Group, Modal, Stack } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { ask, client, Failure, ifMatch } from "../../../api/client";
import { PemInput } from "../../../components/PemInput";
import { Trouble } from "../../../components/States";
import { useText } from "../../../text";

type Props = { version: string; opened: boolean; close: () => void };

// SetCertificate asks for a certificate and its key. The key is sent, and not kept here.
export function SetCertificate({ version, opened, close }: Props) {
  const t = useText().settings.tls;
  return (
    <Modal opened={opened} onClose={close} title={t.set} size="lg" keepMounted={false}>
      <Form version={version} close={close} />
    </Modal>
  );
}

function Form({ version, close }: { version: string; close: () => void }) {
  const t = useText();
  const cache = useQueryClient();
  const [certificate, setCertificate] = useState("");
  const [key, setKey] = useState("");
  const set = useMutation({
    mutationFn: () => ask(client.PUT("/api/v1/tls/certificate", { params: ifMatch(version), body: { certificate, key } })),
    onSuccess: (now) => {
      cache.setQueryData(["tls"], now);
      notifications.show({ color: "teal", message: t.settings.tls.done });
      close();
    },
  });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    set.mutate();
  };
  const failure = set.error instanceof Failure ? set.error : undefined;
  const words = t.settings.tls;
  return (
    <form onSubmit={submit}>
      <Stack>
        <PemInput label={words.chain} about={words.chainAbout} placeholder="-----BEGIN CERTIFICATE-----" value={certificate} onChange={setCertificate} error={failure?.field("certificate")} />
        <PemInput label={words.key} about={words.keyAbout} placeholder="-----BEGIN PRIVATE KEY-----" value={key} onChange={setKey} error={failure?.field("key")} />
        {set.error && <Trouble error={set.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            {t.common.cancel}
          </Button>
          <Button type="submit" loading={set.isPending}>
            {words.use}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
