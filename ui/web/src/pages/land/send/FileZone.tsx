import "@mantine/dropzone/styles.css";
import { Button, Stack, Text } from "@mantine/core";
import { Dropzone } from "@mantine/dropzone";
import { useState } from "react";
import { UploadIcon } from "../../../components/icons";
import { useText } from "../../../text";
import classes from "../land.module.css";

// FileZone takes files that are dropped or chosen. All of it can be pressed; for the
// keyboard there is the button.
export function FileZone({ take }: { take: (files: File[]) => Promise<void> }) {
  const t = useText().land.send;
  const [busy, setBusy] = useState(false);
  const drop = async (files: File[]) => {
    setBusy(true);
    await take(files);
    setBusy(false);
  };
  return (
    <Dropzone onDrop={(files) => void drop(files)} multiple activateOnKeyboard={false} tabIndex={-1} className={classes.zone} inputProps={{ "aria-label": t.choose }} acceptColor="indigo">
      <Stack align="center" gap="xs" ta="center">
        <UploadIcon size={36} />
        <Text fw={600} size="lg">
          {t.drop}
        </Text>
        <Button size="lg" loading={busy} style={{ pointerEvents: "all" }}>
          {t.choose}
        </Button>
        <Text size="sm" c="dimmed" maw={560}>
          {busy ? t.reading : t.takes}
        </Text>
      </Stack>
    </Dropzone>
  );
}
