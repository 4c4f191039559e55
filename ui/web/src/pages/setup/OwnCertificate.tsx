import { Alert, Button, Group, Stack } from "@mantine/core";
import { useForm } from "@mantine/form";
import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { ask, client, ifMatch } from "../../api/client";
import { PemInput } from "../../components/PemInput";
import { Trouble } from "../../components/States";
import { useText } from "../../text";

const begin = "-----BEGIN";

// OwnCertificate takes a certificate that somebody else has issued, and its key.
export function OwnCertificate({ version, action }: { version: string; action: string }) {
  const t = useText().setup;
  const cache = useQueryClient();
  const form = useForm({
    initialValues: { certificate: "", key: "" },
    validate: {
      certificate: (v) => (v.includes(begin) ? null : t.pemMissing),
      key: (v) => (v.includes(begin) ? null : t.pemMissing),
    },
  });
  const set = useMutation({
    mutationFn: (body: { certificate: string; key: string }) => ask(client.PUT("/api/v1/tls/certificate", { params: ifMatch(version), body })),
    onSuccess: (status) => {
      form.reset();
      cache.setQueryData(["tls"], status);
      notifications.show({ color: "teal", message: t.certificateSet });
    },
    onError: () => void cache.invalidateQueries({ queryKey: ["tls"] }),
  });
  return (
    <form onSubmit={form.onSubmit((v) => set.mutate(v))} noValidate>
      <Stack>
        <PemInput label={t.certificate} about={t.certificateHint} placeholder="-----BEGIN CERTIFICATE-----" {...form.getInputProps("certificate")} />
        <PemInput label={t.key} about={t.keyHint} placeholder="-----BEGIN PRIVATE KEY-----" {...form.getInputProps("key")} />
        <Alert color="blue" role="note">{t.certificateEffect}</Alert>
        {set.error && <Trouble error={set.error} />}
        <Group>
          <Button type="submit" loading={set.isPending}>
            {action}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
