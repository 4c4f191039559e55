import { Stack, TagsInput, Text, Textarea, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { ask, client, Failure, ifMatch, type Schema } from "../../api/client";
import { Shown, Trouble } from "../../components/States";
import { useText } from "../../text";
import { after, Forward } from "./Forward";
import { StepBody } from "./Steps";

type Settings = Schema<"SettingsBody">;
type Values = { name: string; banner: string; names: string[] };

// Where the values of the form are kept.
const settingOf = { name: "site.name", banner: "site.banner", names: "tls.names" } as const;

// SiteStep asks what the site is called, and by which names it is reached.
export function SiteStep() {
  const t = useText().setup;
  const query = useQuery({ queryKey: ["settings", "runtime"], queryFn: () => ask(client.GET("/api/v1/settings")) });
  return (
    <StepBody title={t.siteTitle} about={t.siteAbout}>
      <Shown query={query}>{(settings) => <SiteForm settings={settings} />}</Shown>
    </StepBody>
  );
}

function read(settings: Settings): Values {
  const value = (name: string) => settings.settings?.find((s) => s.name === name)?.value;
  const text = (x: unknown) => (typeof x === "string" ? x : "");
  const names = value(settingOf.names);
  return { name: text(value(settingOf.name)), banner: text(value(settingOf.banner)), names: Array.isArray(names) ? names.map(String) : [] };
}

// changes are the settings of the form that are not as they were; empty ones go back
// to the default.
function changes(before: Values, now: Values): Record<string, unknown> {
  const changed: Record<string, unknown> = {};
  if (now.name.trim() !== before.name) changed[settingOf.name] = now.name.trim() || null;
  if (now.banner.trim() !== before.banner) changed[settingOf.banner] = now.banner.trim() || null;
  if (now.names.join() !== before.names.join()) changed[settingOf.names] = now.names.length ? now.names : null;
  return changed;
}

function useSave(settings: Settings, before: Values) {
  const cache = useQueryClient();
  const navigate = useNavigate();
  return useMutation({
    mutationFn: async (now: Values) => {
      const body = changes(before, now);
      if (Object.keys(body).length === 0) return;
      cache.setQueryData(["settings", "runtime"], await ask(client.PATCH("/api/v1/settings", { params: ifMatch(settings.version), body })));
      for (const key of ["settings", "session", "tls"]) void cache.invalidateQueries({ queryKey: [key] });
    },
    onSuccess: () => navigate(after("site")),
    // What somebody else has changed meanwhile is read before the next try; what was
    // typed here stays.
    onError: (e) => e instanceof Failure && e.problem?.status === 412 && void cache.invalidateQueries({ queryKey: ["settings"] }),
  });
}

function SiteForm({ settings }: { settings: Settings }) {
  const t = useText();
  const [before] = useState(() => read(settings)); // what was not changed here is not sent, whoever has changed it since
  const form = useForm<Values>({ initialValues: before });
  const save = useSave(settings, before);
  const failure = save.error instanceof Failure ? save.error : undefined;
  const faults = { name: failure?.field("site.name"), banner: failure?.field("site.banner"), names: failure?.field("tls.names") };
  const field = (key: keyof Values) => {
    const fixed = settings.settings?.find((s) => s.name === settingOf[key])?.fixed;
    return { ...form.getInputProps(key), error: faults[key], disabled: fixed, ...(fixed ? { description: t.setup.fixed } : {}) };
  };
  return (
    <form onSubmit={form.onSubmit((v) => save.mutate(v))}>
      <Stack>
        <TextInput label={t.setup.siteName} description={t.setup.siteNameHint} placeholder={t.setup.siteNameExample} maw={460} {...field("name")} />
        <Textarea label={t.setup.siteBanner} description={t.setup.siteBannerHint} autosize minRows={2} maxRows={8} {...field("banner")} />
        <TagsInput label={t.setup.names} description={t.setup.namesHint} placeholder={form.values.names.length ? undefined : "landfall.site.example"} clearable acceptValueOnBlur {...field("names")} />
        <Covered />
        {save.error && !faults.name && !faults.banner && !faults.names && <Trouble error={save.error} />}
        <Forward step="site" submit busy={save.isPending} />
      </Stack>
    </form>
  );
}

// Covered says what the certificate is for already, without being told.
function Covered() {
  const t = useText().setup;
  const query = useQuery({ queryKey: ["tls"], queryFn: () => ask(client.GET("/api/v1/tls")), retry: false });
  const names = query.data?.own.names ?? [];
  if (names.length === 0) return null;
  return (
    <Text size="sm" c="dimmed" style={{ overflowWrap: "anywhere" }}>
      {t.covered(names.join(", "))}
    </Text>
  );
}
