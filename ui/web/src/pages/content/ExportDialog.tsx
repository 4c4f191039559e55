import { Button, Checkbox, Group, Modal, Stack, TagsInput, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate } from "react-router";
import { ask, client, Failure, newKey, type Schema } from "../../api/client";
import { Trouble } from "../../components/States";
import { useFormat } from "../../format";
import { useText } from "../../text";
import { shortName } from "./names";
import { titles } from "./titles";

type Wanted = Omit<Schema<"ExportArgs">, "$schema" | "names" | "sequence">;

// What most sites have. Others can be typed.
const platforms = ["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/ppc64le", "linux/s390x", "linux/riscv64", "windows/amd64"];

// What the job would refuse later: os/architecture/variant, and a time.
const platform = /^[^/\s]+\/[^/\s]+(\/[^/\s]+)?$/;
const age = /^(\d+[dw]|(\d+(\.\d+)?[hms])+)$/;

// ExportDialog asks how names are to be put into a bundle.
export function ExportDialog({ names, close }: { names: string[]; close: () => void }) {
  const t = useText().content.export;
  const f = useFormat();
  const [only] = names;
  const navigate = useNavigate();
  const start = useExport(names, () => {
    close();
    void navigate("/content/exports");
  });
  const form = useForm<Required<Pick<Wanted, "channel" | "expires" | "sign">> & { platforms: string[] }>({
    initialValues: { platforms: [], channel: "", expires: "", sign: true },
    validate: {
      platforms: (list) => (list.every((p) => platform.test(p)) ? null : t.platformsWrong),
      expires: (text) => (text === "" || age.test(text) ? null : t.expiresWrong),
    },
  });
  const { error } = start;
  const fault = (name: string) => (error instanceof Failure ? error.field(name) : undefined);
  return (
    <Modal opened onClose={close} title={names.length === 1 && only ? t.title(shortName(only)) : t.titleMany(f.count(names.length))} styles={titles} size="lg">
      <form onSubmit={form.onSubmit((v) => start.mutate({ platforms: v.platforms.length > 0 ? v.platforms : undefined, channel: v.channel || undefined, expires: v.expires || undefined, sign: v.sign }))}>
        <Stack>
          <Text size="sm">{t.about}</Text>
          <TagsInput label={t.platforms} description={t.platformsHint} placeholder={form.values.platforms.length ? undefined : t.platformsAll} data={platforms} clearable clearButtonProps={{ "aria-label": t.platformsClear }} {...form.getInputProps("platforms")} error={form.errors.platforms ?? fault("platforms")} />
          <TextInput label={t.expires} description={t.expiresHint} placeholder="30d" {...form.getInputProps("expires")} error={form.errors.expires ?? fault("expires")} />
          <TextInput label={t.channel} description={t.channelHint} {...form.getInputProps("channel")} error={form.errors.channel ?? fault("channel")} />
          <Checkbox label={t.sign} description={t.signHint} {...form.getInputProps("sign", { type: "checkbox" })} />
          {error && <Trouble error={error} />}
          <Actions busy={start.isPending} close={close} />
        </Stack>
      </form>
    </Modal>
  );
}

function Actions({ busy, close }: { busy: boolean; close: () => void }) {
  const t = useText();
  return (
    <Group justify="flex-end">
      <Button variant="default" onClick={close}>
        {t.common.cancel}
      </Button>
      <Button type="submit" loading={busy}>
        {t.content.export.start}
      </Button>
    </Group>
  );
}

// useExport starts the job. A second try of the same dialog does not start a second
// one.
function useExport(names: string[], done: () => void) {
  const t = useText();
  const cache = useQueryClient();
  const [attempt, setAttempt] = useState({ wanted: "", key: newKey() });
  return useMutation({
    mutationFn: (wanted: Wanted) => {
      const said = JSON.stringify(wanted);
      const key = said === attempt.wanted ? attempt.key : newKey(); // what is asked otherwise is another job
      setAttempt({ wanted: said, key });
      return ask(client.POST("/api/v1/bundles/exports", { params: { header: { "Idempotency-Key": key } }, body: { names, ...wanted } }));
    },
    onSuccess: (job) => {
      notifications.show({ color: "teal", title: t.content.export.started, message: <Link to={`/jobs/${job.id}`}>{t.common.details}</Link> });
      void cache.invalidateQueries({ queryKey: ["bundles"] });
      done();
    },
  });
}
