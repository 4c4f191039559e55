import { Button, Group, PasswordInput, Stack } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useDisclosure } from "@mantine/hooks";
import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { ask, client, Failure } from "../../api/client";
import { useSession } from "../../api/session";
import { NewPassword, passwordRules, type PasswordPair } from "../../components/NewPassword";
import { Section } from "../../components/Page";
import { Trouble } from "../../components/States";
import { useText } from "../../text";

// ChangePassword gives its user another password.
export function ChangePassword() {
  const t = useText().account.password;
  const [opened, { open, close }] = useDisclosure();
  const begin = !opened && (
    <Button variant="default" onClick={open}>
      {t.change}
    </Button>
  );
  return (
    <Section title={t.title} about={t.about} actions={begin}>
      {opened && <PasswordForm close={close} />}
    </Section>
  );
}

type Values = { current: string } & PasswordPair;

function useChange(onWrong: () => void, close: () => void) {
  const t = useText().account.password;
  const cache = useQueryClient();
  return useMutation({
    mutationFn: ({ current, password }: Values) => ask(client.PUT("/api/v1/session/password", { body: { current, password } })),
    onSuccess: (session) => {
      cache.setQueryData(["session"], session);
      void cache.invalidateQueries({ queryKey: ["users"] });
      close();
      notifications.show({ color: "teal", message: t.changed });
    },
    onError: (error) => wrong(error) && onWrong(),
  });
}

function PasswordForm({ close }: { close: () => void }) {
  const t = useText();
  const words = t.account.password;
  const { name } = useSession();
  const form = useForm<Values>({
    initialValues: { current: "", password: "", again: "" },
    validate: { current: (v) => (v ? null : t.setup.passwordMissing), ...passwordRules<Values>(words, () => name) },
  });
  const change = useChange(() => form.setFieldError("current", words.currentWrong), close);
  return (
    <form onSubmit={form.onSubmit((v) => change.mutate(v))} noValidate>
      <Stack gap="sm" maw={460}>
        {/* Whose password it is, for who keeps it. */}
        <input type="text" name="username" autoComplete="username" value={name} readOnly hidden />
        <PasswordInput label={words.current} withAsterisk autoComplete="current-password" autoFocus {...form.getInputProps("current")} />
        <NewPassword label={words.next} user={name} value={form.values.password} password={form.getInputProps("password")} again={form.getInputProps("again")} />
        {change.error && !wrong(change.error) && <Trouble error={change.error} />}
        <Group>
          <Button type="submit" loading={change.isPending}>
            {words.change}
          </Button>
          <Button variant="default" onClick={close}>
            {t.common.cancel}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

// wrong: the session is as good as before, the current password is not.
const wrong = (error: Error) => error instanceof Failure && error.problem?.status === 401;
