import { Button, Group, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { ask, client } from "../../api/client";
import { useConfirm } from "../../components/Confirm";
import { Digest } from "../../components/Copy";
import { DataTable } from "../../components/DataTable";
import { PlusIcon } from "../../components/icons";
import { PemInput } from "../../components/PemInput";
import { Shown } from "../../components/States";
import { useText } from "../../text";
import { printable, type SimpleKey } from "./policy";

// KeyList lists the keys that are trusted now, in the order of the policy.
export function KeyList({ keys, onRemove }: { keys: SimpleKey[]; onRemove: (at: number) => Promise<void> }) {
  const t = useText();
  const query = useQuery({ queryKey: ["trust", "keys"], queryFn: () => ask(client.GET("/api/v1/trust/keys")) });
  return (
    <Shown query={query}>
      {(known) => (
        <DataTable
          label={t.setup.trustedKeys}
          rows={known}
          id={(k) => k.id}
          columns={[
            { head: t.setup.owner, cell: (k) => k.owner },
            { head: t.setup.keyId, cell: (k) => <Digest value={k.id} /> },
            { head: t.common.kind, cell: (k) => k.kind },
            {
              head: t.common.actions,
              end: true,
              cell: (k) => <RemoveKey owner={k.owner} last={keys.length === 1} disabled={known.length !== keys.length} onRemove={() => onRemove(known.indexOf(k))} />,
            },
          ]}
        />
      )}
    </Shown>
  );
}

function RemoveKey({ owner, last, disabled, onRemove }: { owner: string; last: boolean; disabled: boolean; onRemove: () => Promise<void> }) {
  const t = useText();
  const confirm = useConfirm();
  const words = t.setup;
  const remove = () => confirm({ title: words.removeKeyTitle(owner), destroys: last ? words.removeLastKey : words.removeKeyText, action: t.common.remove, undo: true, act: onRemove });
  return (
    <Button size="compact-sm" variant="subtle" color="red" disabled={disabled} onClick={remove} aria-label={`${t.common.remove}: ${owner}`}>
      {t.common.remove}
    </Button>
  );
}

// AddKey takes a public key and whose it is. A private one stays in the browser: it
// is refused before it is sent.
export function AddKey({ onAdd }: { onAdd: (key: SimpleKey) => Promise<void> }) {
  const t = useText().setup;
  const [busy, setBusy] = useState(false);
  const form = useForm<SimpleKey>({
    initialValues: { owner: "", pem: "" },
    validate: {
      owner: (v) => (!v.trim() ? t.ownerMissing : printable.test(v) ? null : t.ownerAscii),
      pem: (v) => (v.includes("PRIVATE KEY") ? t.privateKey : v.includes("-----BEGIN PUBLIC KEY-----") ? null : t.keyMissing),
    },
  });
  const add = async (key: SimpleKey) => {
    setBusy(true);
    try {
      await onAdd({ owner: key.owner.trim(), pem: key.pem });
      form.reset();
    } catch {
      // What was wrong is told below; what was typed stays.
    } finally {
      setBusy(false);
    }
  };
  return (
    <form onSubmit={form.onSubmit((v) => void add(v))} noValidate>
      <Stack gap="sm">
        <PemInput label={t.publicKey} about={t.publicKeyHint} placeholder="-----BEGIN PUBLIC KEY-----" rows={3} {...form.getInputProps("pem")} />
        <TextInput label={t.owner} description={t.ownerHint} placeholder={t.ownerExample} withAsterisk maw={460} autoComplete="off" {...form.getInputProps("owner")} />
        <Group>
          <Button type="submit" variant="light" loading={busy} leftSection={<PlusIcon size={16} />}>
            {t.addKey}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
