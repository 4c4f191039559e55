import { Alert, Button, Divider, Group, Stack, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Fragment, useEffect, useRef, useState, type FormEvent } from "react";
import { ask, client, Failure, ifMatch, type Schema } from "../../../api/client";
import { useMay } from "../../../api/session";
import { Section } from "../../../components/Page";
import { Shown, Trouble } from "../../../components/States";
import { useText } from "../../../text";
import { SettingField } from "./SettingField";
import { same, useSettings, valueOf, type Setting, type Value } from "./values";

type Part = { title: string; about?: string; wanted: (name: string) => boolean };

// Draft is what is to change: null is for the default.
type Draft = Record<string, Value | null>;

// SettingsForm changes settings, each in the part that wants it.
export function SettingsForm({ parts }: { parts: Part[] }) {
  return <Shown query={useSettings()}>{(body) => <Form body={body} parts={parts} />}</Shown>;
}

function Form({ body, parts }: { body: Schema<"SettingsBody">; parts: Part[] }) {
  const may = useMay("settings.write");
  const { draft, edit, save, drop } = useDraft(body);
  const submit = (e: FormEvent) => {
    e.preventDefault();
    save.mutate();
  };
  const editable = may && (body.settings ?? []).some((s) => !s.fixed && parts.some((p) => p.wanted(s.name)));
  const failure = save.error instanceof Failure ? save.error : undefined;
  const told = failure && Object.keys(draft).some((name) => failure.field(name)); // at its field
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    if (told) form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  }, [told, failure]);
  return (
    <form onSubmit={submit} ref={form}>
      <Stack gap="lg">
        <Problems list={body.problems ?? []} />
        {parts.map((part) => {
          const settings = (body.settings ?? []).filter((s) => part.wanted(s.name));
          if (settings.length === 0) return null;
          return (
            <Section key={part.title} title={part.title} about={part.about}>
              <Stack>
                {settings.map((s, k) => (
                  <Fragment key={s.name}>
                    {k > 0 && <Divider />}
                    <SettingField setting={s} draft={draft[s.name]} edit={(value) => edit(s, value)} error={failure?.field(s.name)?.replace(`${s.name}: `, "")} readOnly={!may} />
                  </Fragment>
                ))}
              </Stack>
            </Section>
          );
        })}
        {save.error && !told && <Trouble error={save.error} />}
        {editable && <SaveBar changed={Object.keys(draft).length > 0} saving={save.isPending} drop={drop} />}
      </Stack>
    </form>
  );
}

function Problems({ list }: { list: string[] }) {
  const t = useText().settings.general;
  if (list.length === 0) return null;
  return (
    <Alert color="yellow" title={t.problems}>
      {list.map((p) => (
        <Text size="sm" key={p}>
          {p}
        </Text>
      ))}
    </Alert>
  );
}

function SaveBar({ changed, saving, drop }: { changed: boolean; saving: boolean; drop: () => void }) {
  const t = useText();
  return (
    <Group justify="flex-end">
      {changed && (
        <Button variant="default" onClick={drop}>
          {t.settings.discard}
        </Button>
      )}
      <Button type="submit" disabled={!changed} loading={saving}>
        {t.common.save}
      </Button>
    </Group>
  );
}

// useDraft keeps what is to change, and of which version: what somebody else changes
// meanwhile is not overwritten.
function useDraft(body: Schema<"SettingsBody">) {
  const t = useText();
  const cache = useQueryClient();
  const [draft, setDraft] = useState<Draft>({});
  const [version, setVersion] = useState(body.version);
  const save = useMutation({
    mutationFn: () => ask(client.PATCH("/api/v1/settings", { params: ifMatch(version), body: draft })),
    onSuccess: (now) => {
      setDraft({});
      cache.setQueryData(["settings", "runtime"], now);
      notifications.show({ color: "teal", message: t.common.saved });
      // The certificate has the names of a setting.
      return Promise.all(["settings", "tls", "session"].map((key) => cache.invalidateQueries({ queryKey: [key] })));
    },
  });
  const edit = (setting: Setting, value: Value | null) => {
    if (Object.keys(draft).length === 0) setVersion(body.version);
    const next = { ...draft, [setting.name]: value };
    const unchanged = value === null ? setting.origin.kind === "default" : same(value, valueOf(setting.value));
    if (unchanged) delete next[setting.name];
    setDraft(next);
  };
  const drop = () => {
    setDraft({});
    save.reset();
    void cache.invalidateQueries({ queryKey: ["settings", "runtime"] });
  };
  return { draft, edit, save, drop };
}
