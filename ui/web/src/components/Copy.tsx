import { ActionIcon, Box, Code, CopyButton as MantineCopy, Group, Text, Tooltip } from "@mantine/core";
import { useText } from "../text";
import { CheckIcon, CopyIcon } from "./icons";

// CopyButton copies a value; what says what it is.
export function CopyButton({ value, what }: { value: string; what?: string }) {
  const t = useText();
  return (
    <MantineCopy value={value} timeout={2000}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? t.common.copied : t.common.copy}>
          <ActionIcon variant="subtle" color={copied ? "teal" : "gray"} onClick={() => (navigator.clipboard ? copy() : copyOld(value, copy))} aria-label={copied ? t.common.copied : what ? `${t.common.copy}: ${what}` : t.common.copy}>
            {copied ? <CheckIcon size={16} /> : <CopyIcon size={16} />}
          </ActionIcon>
        </Tooltip>
      )}
    </MantineCopy>
  );
}

// copyOld copies where the clipboard is not for us: on an origin that is not secure.
function copyOld(value: string, copied: () => void) {
  const area = document.createElement("textarea");
  area.value = value;
  area.style.position = "fixed";
  document.body.append(area);
  area.select();
  if (document.execCommand("copy")) copied();
  area.remove();
}

// CodeBlock is text to copy, like a command or a file.
export function CodeBlock({ value, label, maxHeight }: { value: string; label?: string; maxHeight?: number }) {
  return (
    <Box>
      <Group justify="space-between" gap="xs" wrap="nowrap" mb={2}>
        <Text size="sm" fw={500}>
          {label}
        </Text>
        <CopyButton value={value} what={label} />
      </Group>
      <Code block tabIndex={0} style={{ maxHeight, overflow: "auto", whiteSpace: "pre" }} role="group" aria-label={label ?? value.slice(0, 60)}>
        {value}
      </Code>
    </Box>
  );
}

// Digest shows the beginning of a digest; all of it can be copied.
export function Digest({ value, length = 12 }: { value: string; length?: number }) {
  const [, algorithm, hex] = /^(?:([^:]+):)?(.*)$/.exec(value) ?? [];
  return (
    <Group gap={2} wrap="nowrap" component="span" display="inline-flex">
      <Tooltip label={value}>
        <Text span ff="monospace" size="sm">
          {!algorithm || algorithm === "sha256" ? "" : `${algorithm}:`}
          {(hex ?? value).slice(0, length)}
        </Text>
      </Tooltip>
      <CopyButton value={value} what={value.slice(0, 19)} />
    </Group>
  );
}
