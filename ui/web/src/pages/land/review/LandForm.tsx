import { Button, Checkbox, Group, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { ask, client, Failure, keyed, newKey, type Schema } from "../../../api/client";
import { useMay } from "../../../api/session";
import { transfers } from "../../../bundle/transfers";
import { LandIcon, ShieldIcon } from "../../../components/icons";
import { Section } from "../../../components/Page";
import { Trouble } from "../../../components/States";
import { useText } from "../../../text";
import { Proof } from "./Proof";
import type { Source } from "./source";

type Inspection = Schema<"Inspection">;

// LandForm lets something land, as far as the site's policy leaves that to people.
export function LandForm({ source, seen, landed }: { source: Source; seen: Inspection; landed: (job: string) => void }) {
  const t = useText().land.form;
  const may = useMay("bundles.write");
  const [name, setName] = useState("");
  const [override, setOverride] = useState("");
  const [verify, setVerify] = useState(false);
  const [attach, setAttach] = useState(false);
  const land = useLand(source, landed);
  if (!may) {
    return (
      <Section title={t.title}>
        <Text size="sm">{t.mayNot}</Text>
      </Section>
    );
  }
  const asksReason = !!seen.refused && !!seen.overridable;
  const stands = !!seen.refused && !seen.overridable && !seen.unnamed;
  const filled = (!seen.unnamed || name.trim() !== "") && (!asksReason || override.trim() !== "");
  const failure = land.error instanceof Failure ? land.error : undefined;
  const ask = () => land.mutate({ name: name.trim() || undefined, override: override.trim() || undefined, verify, attach });
  return (
    <Section title={t.title}>
      <Stack component="form" onSubmit={(e) => (e.preventDefault(), filled && !stands && ask())}>
        {seen.unnamed && <TextInput label={t.name} description={t.nameAbout} value={name} onChange={(e) => setName(e.currentTarget.value)} error={failure?.field("name")} required autoComplete="off" spellCheck={false} />}
        {asksReason && <TextInput label={t.override} description={t.overrideAbout} value={override} onChange={(e) => setOverride(e.currentTarget.value)} error={failure?.field("override")} required />}
        {!stands && <Checkbox label={t.verify} description={t.verifyAbout} checked={verify} onChange={(e) => setVerify(e.currentTarget.checked)} />}
        {!stands && seen.kind === "bundle" && <Checkbox label={t.attach} description={t.attachAbout} checked={attach} onChange={(e) => setAttach(e.currentTarget.checked)} />}
        {stands && <Text size="sm">{t.cannot}</Text>}
        {land.error && <Trouble error={land.error} />}
        <Actions source={source}>
          {!stands && (
            <Button type="submit" size="lg" color={asksReason ? "orange" : undefined} leftSection={<LandIcon />} disabled={!filled} loading={land.isPending}>
              {t.land}
            </Button>
          )}
        </Actions>
      </Stack>
    </Section>
  );
}

// useLand starts the landing. The same wish that is sent twice starts it once.
function useLand(source: Source, landed: (job: string) => void) {
  const cache = useQueryClient();
  const sent = useRef({ wish: "", key: "" });
  return useMutation({
    mutationFn: (wish: Pick<Schema<"ImportRequest">, "name" | "override" | "verify" | "attach">) => {
      const text = JSON.stringify(wish);
      if (sent.current.wish !== text) sent.current = { wish: text, key: newKey() };
      return ask(client.POST("/api/v1/bundles/import", { body: { ...source, ...wish }, params: { header: { "Idempotency-Key": sent.current.key } } }));
    },
    onSuccess: (job) => {
      cache.setQueryData(["jobs", "one", job.id], job);
      if (source.upload) transfers.landed(source.upload);
      landed(job.id);
    },
  });
}

// Actions are the ways to go on from here.
function Actions({ source, children }: { source: Source; children: React.ReactNode }) {
  const t = useText().land.form;
  const prove = useMutation({ mutationFn: () => ask(client.POST("/api/v1/bundles/verify", { body: source, params: keyed() })) });
  return (
    <Stack>
      <Group>
        {children}
        <Button variant="default" size="lg" leftSection={<ShieldIcon />} loading={prove.isPending} onClick={() => prove.mutate()}>
          {t.proveOnly}
        </Button>
      </Group>
      {prove.error && <Trouble error={prove.error} />}
      {prove.data && <Proof id={prove.data.id} />}
    </Stack>
  );
}
