import { Modal, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { useText } from "../../../text";
import type { Key } from "./Keys";
import { revokeKey } from "./policyText";
import { PolicyForm } from "./PolicyForm";

// RevokeKey asks since when and why a key counts for nothing.
export function RevokeKey({ of: key, close }: { of?: Key; close: () => void }) {
  const t = useText().settings.trust;
  return (
    <Modal opened={!!key} onClose={close} title={key && t.revokeTitle(key.owner)} keepMounted={false}>
      {key && <Form of={key} close={close} />}
    </Modal>
  );
}

function Form({ of: key, close }: { of: Key; close: () => void }) {
  const t = useText().settings.trust;
  const [since, setSince] = useState(() => new Date().toISOString().slice(0, 10));
  const [reason, setReason] = useState("");
  return (
    <PolicyForm action={t.revoke} done={t.keyRevoked(key.owner)} close={close} change={(text) => revokeKey(text, key.pem, { since, reason })}>
      <Text size="sm">{t.revokeText}</Text>
      <TextInput type="date" label={t.since} required value={since} onChange={(e) => setSince(e.currentTarget.value)} />
      <TextInput label={t.why} description={t.whyAbout} required data-autofocus value={reason} onChange={(e) => setReason(e.currentTarget.value)} />
    </PolicyForm>
  );
}
