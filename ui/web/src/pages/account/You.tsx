import { Button, Group, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { ask, client } from "../../api/client";
import { useSession } from "../../api/session";
import { Facts } from "../../components/Facts";
import { GrantList } from "../../components/Grants";
import { Section } from "../../components/Page";
import { Trouble } from "../../components/States";
import { useText } from "../../text";

// You says who is signed in, and what that means here.
export function You() {
  const t = useText();
  const words = t.account;
  const { name, role, via, grants, restricted } = useSession();
  const known = (["viewer", "operator", "admin"] as const).find((r) => r === role);
  return (
    <Section title={words.you}>
      <Stack>
        <Facts
          items={[
            [words.signInName, name],
            [words.roleLabel, known && words.roleWith(words.role[known], words.roleAbout[known])],
            [words.via, via && (words.viaWord[via] ?? via)],
            [restricted ? words.restrictedTo : words.grantsToo, !!grants?.length && <GrantList grants={grants} />],
          ]}
        />
        {via === "session" && <DisplayName />}
      </Stack>
    </Section>
  );
}

function DisplayName() {
  const t = useText();
  const cache = useQueryClient();
  const { display = "" } = useSession();
  const form = useForm({ initialValues: { display } });
  const save = useMutation({
    mutationFn: (body: { display: string }) => ask(client.PATCH("/api/v1/session", { body })),
    onSuccess: (session) => {
      cache.setQueryData(["session"], session);
      void cache.invalidateQueries({ queryKey: ["users"] });
      form.resetDirty();
      notifications.show({ color: "teal", message: t.common.saved });
    },
  });
  return (
    <form onSubmit={form.onSubmit((v) => save.mutate({ display: v.display.trim() }))}>
      <Stack gap="sm">
        <Group align="flex-end">
          <TextInput label={t.account.display} description={t.account.displayHint} maxLength={100} autoComplete="name" style={{ flex: "0 1 26rem" }} {...form.getInputProps("display")} />
          <Button type="submit" variant="default" loading={save.isPending} disabled={!form.isDirty()}>
            {t.common.save}
          </Button>
        </Group>
        {save.error && <Trouble error={save.error} />}
      </Stack>
    </form>
  );
}
