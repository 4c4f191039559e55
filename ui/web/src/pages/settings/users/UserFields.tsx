import { Radio, Stack, Switch, TextInput } from "@mantine/core";
import type { Schema } from "../../../api/client";
import { GrantsEditor } from "../../../components/Grants";
import { useText } from "../../../text";

type Role = Schema<"User">["role"];
const roles: Role[] = ["viewer", "operator", "admin"];

// Access is what a form has of a user, new or old.
export type Access = { display: string; role: Role; restricted: boolean; grants: Schema<"Grant">[] };

// UserFields say who a user is and what the user may do.
export function UserFields({ value, edit }: { value: Access; edit: (value: Access) => void }) {
  const t = useText();
  const set = (part: Partial<Access>) => edit({ ...value, ...part });
  const setRole = (role: string) => {
    const known = roles.find((r) => r === role);
    // An administrator has all rights: a restriction would only seem to be one.
    if (known) set({ role: known, restricted: known === "admin" ? false : value.restricted });
  };
  return (
    <Stack>
      <TextInput label={t.settings.users.display} description={t.settings.users.displayAbout} value={value.display} maxLength={128} onChange={(e) => set({ display: e.currentTarget.value })} />
      <Radio.Group label={t.settings.users.role} value={value.role} onChange={setRole}>
        <Stack gap="xs" mt={6}>
          {roles.map((role) => (
            <Radio key={role} value={role} label={t.shell.role[role]} description={t.account.roleAbout[role]} />
          ))}
        </Stack>
      </Radio.Group>
      <Switch
        label={t.settings.users.restricted}
        description={value.role === "admin" ? t.settings.users.notRestricted : t.settings.users.restrictedAbout}
        checked={value.restricted}
        disabled={value.role === "admin"}
        onChange={(e) => set({ restricted: e.currentTarget.checked })}
      />
      {value.role !== "admin" && (
        <GrantsEditor
          label={t.settings.users.grants}
          about={value.restricted ? t.settings.users.restrictedAbout : t.settings.users.grantsAbout}
          value={value.grants}
          onChange={(grants) => set({ grants })}
        />
      )}
    </Stack>
  );
}
