import { Modal, Stack, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ask, client } from "../../../api/client";
import { NewPassword, passwordRules, type PasswordPair } from "../../../components/NewPassword";
import { useText } from "../../../text";
import { FormEnd } from "./FormEnd";
import { UserFields, type Access } from "./UserFields";

// AddUser asks who the new user is.
export function AddUser({ opened, close }: { opened: boolean; close: () => void }) {
  const t = useText().settings.users;
  return (
    <Modal opened={opened} onClose={close} title={t.add} size="lg" keepMounted={false}>
      <Form close={close} />
    </Modal>
  );
}

const nobody: Access = { display: "", role: "viewer", restricted: false, grants: [] };

function Form({ close }: { close: () => void }) {
  const t = useText();
  const words = t.settings.users;
  const cache = useQueryClient();
  const [access, setAccess] = useState(nobody);
  const form = useForm({
    initialValues: { name: "", password: "", again: "" },
    validate: { name: (v) => (v ? null : words.nameMissing), ...passwordRules(t.account.password, (v: PasswordPair & { name: string }) => v.name) },
  });
  const add = useMutation({
    mutationFn: ({ name, password }: { name: string; password: string }) => ask(client.POST("/api/v1/users", { body: { ...access, name, password } })),
    onSuccess: (user) => {
      notifications.show({ color: "teal", message: words.added(user.name) });
      close();
      return cache.invalidateQueries({ queryKey: ["users"] });
    },
  });
  return (
    <form onSubmit={form.onSubmit((v) => add.mutate(v))} noValidate>
      <Stack>
        <TextInput label={words.name} description={words.nameAbout} withAsterisk data-autofocus autoComplete="off" maxLength={64} {...form.getInputProps("name")} />
        <UserFields value={access} edit={setAccess} />
        <NewPassword label={words.password} user={form.values.name} value={form.values.password} password={form.getInputProps("password")} again={form.getInputProps("again")} />
        <Text size="sm" c="dimmed">
          {words.passwordAbout}
        </Text>
        <FormEnd error={add.error} busy={add.isPending} close={close} action={words.add} />
      </Stack>
    </form>
  );
}
