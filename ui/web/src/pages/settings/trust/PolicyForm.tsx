import { Button, Group, Stack } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation } from "@tanstack/react-query";
import type { FormEvent, ReactNode } from "react";
import { Trouble } from "../../../components/States";
import { useText } from "../../../text";
import { useChangePolicy } from "./usePolicy";

type Props = { action: string; done: string; change: (text: string) => string | undefined; close: () => void; children: ReactNode };

// PolicyForm asks for what changes in the policy, and puts the change in force.
export function PolicyForm({ action, done, change, close, children }: Props) {
  const t = useText();
  const apply = useChangePolicy();
  const save = useMutation({
    mutationFn: () => apply(change),
    onSuccess: () => {
      notifications.show({ color: "teal", message: done });
      close();
    },
  });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    save.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        {children}
        {save.error && <Trouble error={save.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            {t.common.cancel}
          </Button>
          <Button type="submit" loading={save.isPending}>
            {action}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
