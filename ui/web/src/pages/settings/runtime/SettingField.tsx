import { Badge, Box, Button, Group, Select, Stack, Switch, TagsInput, Text, Textarea, TextInput } from "@mantine/core";
import { useText } from "../../../text";
import { useOrigin, useShow, valueOf, type Setting, type Value } from "./values";

type Props = {
  setting: Setting;
  draft?: Value | null;
  edit: (value: Value | null) => void;
  error?: string;
  readOnly: boolean;
};

// SettingField is one setting with what it means, where its value comes from, and,
// where it can be changed here, an input for values of its type.
export function SettingField({ setting, draft, edit, error, readOnly }: Props) {
  const t = useText().settings;
  const show = useShow();
  const origin = useOrigin();
  const words = t.fields[setting.name];
  const label = words?.label ?? setting.name;
  const about = words?.about || setting.doc;
  const value = draft === undefined ? valueOf(setting.value) : draft === null ? valueOf(setting.default) : draft;
  const reset = t.general.resetTo(show(setting.name, valueOf(setting.default)));
  const isDefault = draft === null || (draft === undefined && setting.origin.kind === "default");
  if (setting.fixed || readOnly) return <Fixed setting={setting} label={label} about={about} shown={show(setting.name, value)} />;
  return (
    <Stack gap={6}>
      <Editor setting={setting} label={label} about={about} value={value} edit={edit} error={error} />
      <Group gap="xs">
        <Badge variant="light" color={draft === undefined ? "gray" : "indigo"} style={{ textTransform: "none" }}>
          {draft === undefined ? origin(setting.origin) : t.general.unsaved}
        </Badge>
        {!isDefault && (
          <Button variant="subtle" size="compact-xs" onClick={() => edit(null)} aria-label={`${reset} (${label})`}>
            {reset}
          </Button>
        )}
      </Group>
    </Stack>
  );
}

function Fixed({ setting, label, about, shown }: { setting: Setting; label: string; about: string; shown: string }) {
  const t = useText().settings;
  const origin = useOrigin();
  return (
    <Box>
      <Text fw={600} size="sm">
        {label}
      </Text>
      <Text c="dimmed" size="xs">
        {about}
      </Text>
      <Text mt={4} style={{ overflowWrap: "anywhere", whiteSpace: "pre-wrap" }}>
        {shown}
      </Text>
      <Text c="dimmed" size="sm">
        {setting.fixed ? t.general.fixed(origin(setting.origin)) : origin(setting.origin)}
      </Text>
    </Box>
  );
}

// Texts that may have several lines: the type does not say so.
const blocks = new Set(["site.banner"]);

type EditorProps = { setting: Setting; label: string; about: string; value: Value; edit: (value: Value) => void; error?: string };

function Editor({ setting, label, about, value, edit, error }: EditorProps) {
  const t = useText().settings;
  const show = useShow();
  const common = { label, description: about, error, maw: 560 };
  if (typeof value === "boolean") return <Switch {...common} checked={value} onChange={(e) => edit(e.currentTarget.checked)} />;
  if (typeof value !== "string") return <TagsInput {...common} value={value} onChange={edit} splitChars={[",", " "]} placeholder={t.general.another} acceptValueOnBlur />;
  if (setting.oneOf && setting.oneOf.length > 0) {
    const data = setting.oneOf.map((v) => ({ value: v, label: show(setting.name, v) }));
    return <Select {...common} data={data} value={value} allowDeselect={false} onChange={(v) => v !== null && edit(v)} />;
  }
  if (blocks.has(setting.name)) return <Textarea {...common} autosize minRows={2} maxRows={10} value={value} onChange={(e) => edit(e.currentTarget.value)} />;
  const hint = t.general.hint[setting.type];
  return <TextInput {...common} description={hint ? `${about} ${hint}` : about} value={value} onChange={(e) => edit(e.currentTarget.value)} />;
}
