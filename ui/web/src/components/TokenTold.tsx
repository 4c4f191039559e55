import { Alert, Button, Group, Modal, Stack, Text } from "@mantine/core";
import type { Schema } from "../api/client";
import { useSession } from "../api/session";
import { useText } from "../text";
import { CodeBlock } from "./Copy";

// TokenTold shows a token's text, this once. It goes by its button only: not by a
// click beside it or a key that was meant for something else.
export function TokenTold({ token, onClose }: { token?: Schema<"ToldToken">; onClose: () => void }) {
  const t = useText().account.tokens;
  const session = useSession();
  const login = token?.kind === "robot" ? `'robot$${token.name}'` : session.name;
  return (
    <Modal opened={!!token} onClose={onClose} title={t.toldTitle(token?.name ?? "")} size="lg" withCloseButton={false} closeOnClickOutside={false} closeOnEscape={false}>
      {token && (
        <Stack>
          <Alert color="orange" variant="light">
            {t.toldOnce}
          </Alert>
          <CodeBlock label={t.token} value={token.text} />
          <CodeBlock label={t.dockerLogin} value={`docker login ${window.location.host} --username ${login}`} />
          <Text size="sm" c="dimmed">
            {t.dockerHint}
          </Text>
          <CodeBlock label={t.apiUse} value={`Authorization: Bearer ${token.text}`} />
          <Group justify="flex-end">
            <Button onClick={onClose}>{t.toldDone}</Button>
          </Group>
        </Stack>
      )}
    </Modal>
  );
}
