import { Button, Group } from "@mantine/core";
import { Trouble } from "../../../components/States";
import { useText } from "../../../text";

// FormEnd is what a form in a dialog ends with: why it did not work, and its buttons.
export function FormEnd({ error, busy, close, action }: { error: Error | null; busy: boolean; close: () => void; action: string }) {
  const t = useText();
  return (
    <>
      {error && <Trouble error={error} />}
      <Group justify="flex-end">
        <Button variant="default" onClick={close}>
          {t.common.cancel}
        </Button>
        <Button type="submit" loading={busy}>
          {action}
        </Button>
      </Group>
    </>
  );
}
