import { ActionIcon, Button, Checkbox, Fieldset, Group, Stack, Text, TextInput } from "@mantine/core";
import type { Schema } from "../api/client";
import { useText } from "../text";
import { CloseIcon, PlusIcon } from "./icons";

export type Grant = Schema<"Grant">;
type Action = NonNullable<Grant["actions"]>[number];

const actions: Action[] = ["pull", "push", "delete"];

// GrantsEditor edits what may be done below prefixes of repositories.
export function GrantsEditor(props: { label: string; about: string; value: Grant[]; onChange: (value: Grant[]) => void; error?: string }) {
  const t = useText().account.grants;
  const { value, onChange } = props;
  const put = (k: number, grant: Grant) => onChange(value.map((g, i) => (i === k ? grant : g)));
  return (
    <Fieldset legend={props.label}>
      <Stack gap="sm">
        <Text size="sm" c="dimmed">
          {props.about}
        </Text>
        {value.map((grant, k) => (
          <GrantRow key={k} at={k + 1} grant={grant} onChange={(g) => put(k, g)} onRemove={() => onChange(value.filter((_, i) => i !== k))} />
        ))}
        {props.error && (
          <Text size="sm" c="red" role="alert">
            {props.error}
          </Text>
        )}
        <Group>
          <Button variant="default" size="xs" leftSection={<PlusIcon size={16} />} onClick={() => onChange([...value, { prefix: "", actions: ["pull"] }])}>
            {t.add}
          </Button>
        </Group>
      </Stack>
    </Fieldset>
  );
}

function GrantRow({ at, grant, onChange, onRemove }: { at: number; grant: Grant; onChange: (grant: Grant) => void; onRemove: () => void }) {
  const t = useText().account.grants;
  const has = grant.actions ?? [];
  const turn = (action: Action, on: boolean) => onChange({ ...grant, actions: actions.filter((a) => (a === action ? on : has.includes(a))) });
  return (
    <Group align="flex-end" gap="sm">
      <TextInput
        label={t.prefix}
        description={t.prefixHint}
        placeholder="docker.io/library"
        value={grant.prefix}
        onChange={(e) => onChange({ ...grant, prefix: e.currentTarget.value })}
        autoComplete="off"
        spellCheck={false}
        style={{ flex: "1 1 14rem" }}
      />
      <Group gap="sm" mih={36} role="group" aria-label={t.actions}>
        {actions.map((a) => (
          <Checkbox key={a} label={t.action[a]} checked={has.includes(a)} onChange={(e) => turn(a, e.currentTarget.checked)} />
        ))}
        <ActionIcon variant="subtle" color="gray" onClick={onRemove} aria-label={t.remove(at)}>
          <CloseIcon size={16} />
        </ActionIcon>
      </Group>
    </Group>
  );
}

// GrantList shows grants, one a line.
export function GrantList({ grants }: { grants: Grant[] }) {
  const t = useText().account.grants;
  return (
    <Stack gap={2}>
      {grants.map((g) => (
        <Text key={g.prefix} size="sm" style={{ overflowWrap: "anywhere" }}>
          <Text span ff="monospace" size="sm">
            {g.prefix || t.everywhere}
          </Text>
          {": "}
          {(g.actions ?? []).map((a) => t.action[a]).join(", ")}
        </Text>
      ))}
    </Stack>
  );
}
