import { Alert, Button, Stack, Text } from "@mantine/core";
import { Component, type ReactNode } from "react";
import { useText } from "../text";

// Crash keeps the rest when a page has an error, and says so in its place.
export class Crash extends Component<{ children: ReactNode }, { error?: Error }> {
  override state: { error?: Error } = {};
  static getDerivedStateFromError(error: Error) {
    return { error };
  }
  override render() {
    return this.state.error ? <Crashed error={this.state.error} /> : this.props.children;
  }
}

function Crashed({ error }: { error: Error }) {
  const t = useText().shell;
  return (
    <Alert color="red" title={t.crashed} role="alert">
      <Stack align="flex-start" gap="xs">
        <Text size="sm">{t.crashedText}</Text>
        <Text size="sm" ff="monospace">
          {error.message}
        </Text>
        <Button size="xs" variant="default" onClick={() => window.location.reload()}>
          {t.reload}
        </Button>
      </Stack>
    </Alert>
  );
}
