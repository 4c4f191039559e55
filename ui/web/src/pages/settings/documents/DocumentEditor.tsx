import { Button, Group, Stack, Textarea } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import type { ReactNode } from "react";
import { CodeBlock } from "../../../components/Copy";
import { Trouble } from "../../../components/States";
import { useText } from "../../../text";
import classes from "../settings.module.css";
import type { useDraft, useReplace } from "./useDocument";

type Props = {
  label: string;
  about: string;
  draft: ReturnType<typeof useDraft>;
  replace: ReturnType<typeof useReplace>;
  readOnly: boolean;
  // example is what an empty document can begin with.
  example: string;
  actions?: ReactNode;
};

// DocumentEditor edits a policy as the text that people have written, comments and all.
export function DocumentEditor({ label, about, draft, replace, readOnly, example, actions }: Props) {
  const t = useText();
  const save = () =>
    replace.mutate(draft, {
      onSuccess: () => {
        draft.drop();
        notifications.show({ color: "teal", message: t.settings.documents.inForce });
      },
    });
  const drop = () => {
    draft.drop();
    replace.reset();
  };
  if (readOnly) return draft.text.trim() === "" ? null : <CodeBlock label={label} value={draft.text} />;
  return (
    <Stack gap="sm">
      <Textarea label={label} description={about} autosize minRows={8} maxRows={28} className={classes.mono} value={draft.text} onChange={(e) => draft.edit(e.currentTarget.value)} spellCheck={false} autoComplete="off" />
      {replace.error && <Trouble error={replace.error} />}
      <Group justify="flex-end">
        {draft.text.trim() === "" && (
          <Button variant="subtle" onClick={() => draft.edit(example)}>
            {t.settings.documents.example}
          </Button>
        )}
        {draft.changed && (
          <Button variant="default" onClick={drop}>
            {t.settings.discard}
          </Button>
        )}
        {actions}
        <Button disabled={!draft.changed} loading={replace.isPending} onClick={save}>
          {t.settings.documents.save}
        </Button>
      </Group>
    </Stack>
  );
}
