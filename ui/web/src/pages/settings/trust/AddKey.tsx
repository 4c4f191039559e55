import { Group, Modal, TagsInput, TextInput } from "@mantine/core";
import { useState } from "react";
import { PemInput } from "../../../components/PemInput";
import { useText } from "../../../text";
import { addKey, type NewKey } from "./policyText";
import { PolicyForm } from "./PolicyForm";

// AddKey asks for a public key and what its owner may sign.
export function AddKey({ opened, close }: { opened: boolean; close: () => void }) {
  const t = useText().settings.trust;
  return (
    <Modal opened={opened} onClose={close} title={t.addKey} size="lg" keepMounted={false}>
      <Form close={close} />
    </Modal>
  );
}

function Form({ close }: { close: () => void }) {
  const t = useText().settings.trust;
  const [key, setKey] = useState<NewKey>({ owner: "", pem: "", channels: ["*"] });
  const set = (part: Partial<NewKey>) => setKey({ ...key, ...part });
  return (
    <PolicyForm action={t.addKey} done={t.keyAdded(key.owner)} close={close} change={(text) => addKey(text, key)}>
      <TextInput label={t.owner} description={t.ownerAbout} required data-autofocus value={key.owner} onChange={(e) => set({ owner: e.currentTarget.value })} />
      <PemInput label={t.pem} about={t.pemAbout} placeholder="-----BEGIN PUBLIC KEY-----" value={key.pem} onChange={(pem) => set({ pem })} />
      <TagsInput label={t.channels} description={t.channelsAbout} value={key.channels} onChange={(channels) => set({ channels })} splitChars={[",", " "]} acceptValueOnBlur />
      <Group grow>
        <TextInput type="date" label={t.notBefore} value={key.notBefore ?? ""} onChange={(e) => set({ notBefore: e.currentTarget.value || undefined })} />
        <TextInput type="date" label={t.notAfter} value={key.notAfter ?? ""} onChange={(e) => set({ notAfter: e.currentTarget.value || undefined })} />
      </Group>
    </PolicyForm>
  );
}
