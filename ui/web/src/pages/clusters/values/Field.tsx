import { Badge, Checkbox, Group, MultiSelect, PasswordInput, Select, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { useText } from "../../../text";
import { useRules } from "./useRules";
import type { Writing } from "./useDrafts";
import { asText, draftOf, elementsOf, isGiven, isSecret, written, type Variable } from "./values";
import { ValueState } from "./ValueState";

type Props = { variable: Variable; writing: Writing; locked: boolean };

// Field is where one writes the value of a variable.
export function Field({ variable: v, writing, locked }: Props) {
  const t = useText().clusters.values;
  const draft = writing.drafts[v.name];
  return (
    <Stack gap={4}>
      <Input variable={v} writing={writing} locked={locked} />
      <Group gap="xs">
        <ValueState variable={v} />
        {isSecret(v) && isGiven(v) && <Badge variant="default">{t.set}</Badge>}
        {v.title && (
          <Text size="xs" c="dimmed" ff="monospace">
            {v.name}
          </Text>
        )}
      </Group>
      {isSecret(v) && isGiven(v) && !locked && (
        <Checkbox size="xs" label={t.takeBack} aria-label={`${t.takeBack}: ${v.title || v.name}`} checked={draft === null} onChange={(e) => writing.write(v.name, e.currentTarget.checked ? null : undefined)} />
      )}
    </Stack>
  );
}

function Input({ variable: v, writing, locked }: Props) {
  const t = useText();
  const rules = useRules();
  const text = written(v, writing.drafts[v.name]);
  const write = (next: string) => writing.write(v.name, draftOf(v, next));
  const fallback = asText(v.default);
  const field = {
    label: v.title || v.name,
    description: [v.description, rules(v)].filter(Boolean).join(" — "),
    withAsterisk: !!v.required,
    error: writing.error(v.name) ?? (writing.drafts[v.name] === undefined ? v.problem : undefined),
    disabled: locked,
    placeholder: isSecret(v) ? (isGiven(v) ? t.clusters.values.set : undefined) : fallback,
    autoComplete: isSecret(v) ? "new-password" : "off",
    "data-variable": v.name,
  };
  const typed = { ...field, value: text, onChange: (e: { currentTarget: { value: string } }) => write(e.currentTarget.value) };
  const many = v.type === "list" || v.type === "object" || v.format === "pem";
  const allowed = v.allowed ?? [];
  if (isSecret(v)) return many ? <Textarea autosize minRows={2} maxRows={12} {...typed} /> : <PasswordInput {...typed} />;
  if (v.type === "list" && allowed.length > 0) return <Chosen field={field} variable={v} text={text} write={write} />;
  if (v.type === "boolean" || allowed.length > 0) {
    const labels: { [value: string]: string } = v.type === "boolean" ? { true: t.common.yes, false: t.common.no } : {};
    const values = [...new Set([...(allowed.length > 0 ? allowed : [true, false]).map(asText), text])].filter((x) => x !== ""); // one that was allowed before is shown, too
    return <Select {...field} placeholder={labels[fallback] ?? fallback} clearable data={values.map((value) => ({ value, label: labels[value] ?? value }))} value={text || null} onChange={(next) => write(next ?? "")} />;
  }
  if (many) return <Textarea autosize minRows={2} maxRows={12} {...typed} />;
  return <TextInput inputMode={v.type === "integer" ? "numeric" : v.type === "number" ? "decimal" : undefined} {...typed} />;
}

// Chosen is a list of which each element is one of those that are allowed.
function Chosen({ field, variable: v, text, write }: { field: object; variable: Variable; text: string; write: (text: string) => void }) {
  const allowed = v.allowed ?? [];
  const chosen = elementsOf(text);
  const names = [...new Set([...allowed.map(asText), ...chosen])];
  const valueNamed = (name: string) => allowed.find((x) => asText(x) === name) ?? name;
  return <MultiSelect {...field} clearable data={names} value={chosen} onChange={(next) => write(next.length > 0 ? JSON.stringify(next.map(valueNamed)) : "")} />;
}
