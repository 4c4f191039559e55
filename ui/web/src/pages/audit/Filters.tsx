import { Autocomplete, Button, SimpleGrid, Select, TextInput, Group } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useEffect, useState } from "react";
import { useFormat } from "../../format";
import { useText } from "../../text";
import { fromLocal, localTime, type useFilter } from "./filter";

const outcomes = ["ok", "denied", "failed", "cancelled"];
const groups = ["tag.", "manifest.", "blob.", "pin.", "trash.", "policy.", "trust.", "channel.", "job.", "upload.", "login", "session.", "user.", "token.", "settings.", "setup.", "system.", "tls."];

// Filters says which entries are wanted.
export function Filters({ filter, set, reset }: ReturnType<typeof useFilter>) {
  const t = useText();
  const f = useFormat();
  const zone = f.zone();
  const some = Object.keys(filter).length > 0;
  return (
    <>
      <SimpleGrid cols={{ base: 1, xs: 2, md: 3 }} mb="sm" role="group" aria-label={t.audit.filters}>
        <Typed label={t.audit.actor} hint={t.audit.actorHint} value={filter.actor} onChange={(v) => set("actor", v)} />
        <Typed label={t.audit.action} hint={t.audit.actionHint} value={filter.action} onChange={(v) => set("action", v)} offer={groups} />
        <Typed label={t.audit.target} hint={t.audit.targetHint} value={filter.target} onChange={(v) => set("target", v)} />
        <Select
          label={t.audit.outcome}
          placeholder={t.common.all}
          clearable
          value={filter.outcome ?? null}
          onChange={(v) => set("outcome", v ?? undefined)}
          data={outcomes.map((o) => ({ value: o, label: t.audit.outcomes[o] ?? o }))}
        />
        <TextInput type="datetime-local" label={t.audit.since(zone)} value={localTime(filter.since)} onChange={(e) => set("since", fromLocal(e.currentTarget.value))} />
        <TextInput type="datetime-local" label={t.audit.until(zone)} value={localTime(filter.until)} onChange={(e) => set("until", fromLocal(e.currentTarget.value))} />
      </SimpleGrid>
      {some && (
        <Group mb="sm">
          <Button size="xs" variant="default" onClick={reset}>
            {t.audit.reset}
          </Button>
        </Group>
      )}
    </>
  );
}

type TypedProps = { label: string; hint: string; value?: string; onChange: (value: string | undefined) => void; offer?: string[] };

// Typed is a field that is looked for as one types, but not with each letter.
function Typed({ label, hint, value = "", onChange, offer }: TypedProps) {
  const [text, setText] = useState(value);
  const tell = useDebouncedCallback((v: string) => onChange(v.trim() || undefined), 300);
  useEffect(() => setText(value), [value]);
  const change = (v: string) => {
    setText(v);
    tell(v);
  };
  const props = { label, placeholder: hint, value: text, autoComplete: "off", spellCheck: false };
  if (offer) return <Autocomplete {...props} data={offer} onChange={change} />;
  return <TextInput {...props} onChange={(e) => change(e.currentTarget.value)} />;
}
