import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { ask, client, Failure } from "../../../api/client";
import { useSession } from "../../../api/session";
import { Trouble } from "../../../components/States";
import { useText } from "../../../text";
import { shortName, splitName } from "../names";
import { titles } from "../titles";
import type { Artifact } from "./index";

// PinDialog pins what a page shows: a tag with what it points at, or a manifest alone.
export function PinDialog({ artifact: a, close }: { artifact: Artifact; close: () => void }) {
  const t = useText();
  const cache = useQueryClient();
  const { tag } = splitName(a.name);
  const form = useForm({
    initialValues: { owner: useSession().name, reason: "" },
    validate: { owner: (v) => (v.trim() ? null : t.content.pin.ownerNeeded), reason: (v) => (v.trim() ? null : t.content.pin.reasonNeeded) },
  });
  const pin = useMutation({
    mutationFn: ({ owner, reason }: typeof form.values) => ask(client.POST("/api/v1/content/pins", { body: { repository: a.repository, tag, digest: a.digest, owner: owner.trim(), reason: reason.trim() } })),
    onSuccess: () => {
      notifications.show({ color: "teal", message: t.content.pin.pinned });
      void cache.invalidateQueries({ queryKey: ["content"] });
      close();
    },
  });
  const { error } = pin;
  const fault = (name: string) => (error instanceof Failure ? error.field(name) : undefined);
  return (
    <Modal opened onClose={close} title={t.content.pin.title(shortName(a.name))} styles={titles}>
      <form onSubmit={form.onSubmit((v) => pin.mutate(v))}>
        <Stack>
          <Text size="sm">{tag ? t.content.pin.textTag : t.content.pin.text}</Text>
          <TextInput label={t.content.pin.owner} description={t.content.pin.ownerHint} {...form.getInputProps("owner")} error={form.errors.owner ?? fault("owner")} />
          <TextInput label={t.content.pin.reason} description={t.content.pin.reasonHint} data-autofocus {...form.getInputProps("reason")} error={form.errors.reason ?? fault("reason")} />
          {error && <Trouble error={error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              {t.common.cancel}
            </Button>
            <Button type="submit" loading={pin.isPending}>
              {t.content.pin.open}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
