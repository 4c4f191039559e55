import { Button, FileButton, Group, Stack, Textarea } from "@mantine/core";
import type { ReactNode } from "react";
import { useText } from "../text";
import { FileIcon } from "./icons";

const largest = 256 * 1024; // bytes; more is no PEM text

// PemInput takes PEM text, pasted or from a file.
export function PemInput(props: { label: string; about?: ReactNode; placeholder: string; value?: string; onChange?: (text: string) => void; error?: ReactNode; rows?: number }) {
  const t = useText().setup;
  const { value = "", onChange } = props;
  const read = async (file: File | null) => {
    if (file) onChange?.(await file.slice(0, largest).text());
  };
  return (
    <Stack gap={6}>
      <Textarea
        label={props.label}
        description={props.about}
        placeholder={props.placeholder}
        value={value}
        onChange={(e) => onChange?.(e.currentTarget.value)}
        error={props.error}
        autosize
        minRows={props.rows ?? 4}
        maxRows={10}
        spellCheck={false}
        autoComplete="off"
        withAsterisk
        styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: "var(--mantine-font-size-xs)" } }}
      />
      <Group>
        <FileButton onChange={(file) => void read(file)} accept=".pem,.crt,.cer,.key,.pub,.txt,text/plain" inputProps={{ "aria-label": `${t.chooseFile}: ${props.label}` }}>
          {(button) => (
            <Button {...button} variant="default" size="xs" leftSection={<FileIcon size={16} />} aria-label={`${t.chooseFile}: ${props.label}`}>
              {t.chooseFile}
            </Button>
          )}
        </FileButton>
      </Group>
    </Stack>
  );
}
