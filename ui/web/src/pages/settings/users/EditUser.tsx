import { Stack, Text } from "@mantine/core";
import { useState, type FormEvent } from "react";
import type { Schema } from "../../../api/client";
import { useText } from "../../../text";
import { FormEnd } from "./FormEnd";
import { useChange } from "./useChange";
import { UserFields } from "./UserFields";

// EditUser changes who a user is and what the user may do.
export function EditUser({ user: current, close }: { user: Schema<"User">; close: () => void }) {
  const t = useText();
  const [user] = useState(current); // as it was begun with: what changes meanwhile is not overwritten
  const change = useChange(user);
  const [access, setAccess] = useState({ display: user.display ?? "", role: user.role, restricted: user.restricted, grants: user.grants ?? [] });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    change.mutate(access, { onSuccess: close });
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <UserFields value={access} edit={setAccess} />
        <Text size="sm" c="dimmed">
          {t.settings.users.sessionsEnd}
        </Text>
        <FormEnd error={change.error} busy={change.isPending} close={close} action={t.common.save} />
      </Stack>
    </form>
  );
}
