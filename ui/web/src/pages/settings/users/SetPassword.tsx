import { Stack, Text } from "@mantine/core";
import { useForm } from "@mantine/form";
import { notifications } from "@mantine/notifications";
import type { Schema } from "../../../api/client";
import { NewPassword, passwordRules } from "../../../components/NewPassword";
import { useText } from "../../../text";
import { FormEnd } from "./FormEnd";
import { useChange } from "./useChange";

// SetPassword gives a user another password, for one who has forgotten it.
export function SetPassword({ user, close }: { user: Schema<"User">; close: () => void }) {
  const t = useText();
  const words = t.settings.users;
  const change = useChange(user);
  const form = useForm({ initialValues: { password: "", again: "" }, validate: passwordRules(t.account.password, () => user.name) });
  const set = ({ password }: { password: string }) =>
    change.mutate(
      { password },
      {
        onSuccess: () => {
          notifications.show({ color: "teal", message: words.passwordSet(user.name) });
          close();
        },
      },
    );
  return (
    <form onSubmit={form.onSubmit(set)} noValidate>
      <Stack>
        <input type="text" name="username" autoComplete="username" value={user.name} readOnly hidden />
        <NewPassword label={words.newPassword} user={user.name} value={form.values.password} password={form.getInputProps("password")} again={form.getInputProps("again")} />
        <Text size="sm" c="dimmed">
          {words.passwordAbout} {words.passwordEnds}
        </Text>
        <FormEnd error={change.error} busy={change.isPending} close={close} action={words.setPassword} />
      </Stack>
    </form>
  );
}
