import { Alert, Button, Center, Group, Loader, Stack, Text, ThemeIcon } from "@mantine/core";
import type { ReactNode } from "react";
import { Failure } from "../api/client";
import { useText, type Dictionary } from "../text";
import { ErrorIcon } from "./icons";

// Loading stands where something will be.
export function Loading() {
  const t = useText();
  return (
    <Center py="xl" role="status" aria-label={t.common.loading}>
      <Loader size="sm" aria-hidden="true" />
    </Center>
  );
}

// Empty stands where nothing is yet, and teaches what would be there and how.
export function Empty(props: { icon?: ReactNode; title: string; children: ReactNode; action?: ReactNode }) {
  return (
    <Stack align="center" gap="xs" py="xl" px="md" ta="center">
      {props.icon && (
        <ThemeIcon size={48} radius="xl" variant="light" aria-hidden="true">
          {props.icon}
        </ThemeIcon>
      )}
      <Text fw={600}>{props.title}</Text>
      <Text c="dimmed" maw={520} size="sm" component="div">
        {props.children}
      </Text>
      {props.action}
    </Stack>
  );
}

type Told = { what: string; means: string; act: string };

// told says what happened, what it means for the site, and what to do.
export function told(t: Dictionary, error: unknown): Told {
  const texts = t.shell.failure;
  if (!(error instanceof Failure) || !error.problem) return error instanceof Failure ? texts.unreachable : texts.other;
  const known: Record<number, Told> = { 401: texts[401], 403: texts[403], 404: texts[404], 409: texts[409], 412: texts[412], 422: texts[422], 400: texts[422], 429: texts[429], 507: texts[507] };
  return known[error.problem.status] ?? texts.other;
}

// Trouble says so where something did not work. The appliance's own words are
// shown as they are: they name the field, the digest or the file.
export function Trouble({ error, again, title }: { error: unknown; again?: () => void; title?: string }) {
  const t = useText();
  const { what, means, act } = told(t, error);
  const problem = error instanceof Failure ? error.problem : undefined;
  return (
    <Alert color="red" variant="light" icon={<ErrorIcon />} title={title ?? what} role="alert">
      <Stack gap={6}>
        {problem?.detail && <Text size="sm" style={{ overflowWrap: "anywhere" }}>{problem.detail}</Text>}
        {problem?.errors?.map((e, k) => (
          <Text size="sm" key={k} ff="monospace" style={{ overflowWrap: "anywhere" }}>
            {e.location ? `${e.location}: ` : ""}
            {e.message}
          </Text>
        ))}
        <Text size="sm">
          {means} {act}
        </Text>
        {again && (
          <Group>
            <Button size="xs" variant="default" onClick={again}>
              {t.common.retry}
            </Button>
          </Group>
        )}
      </Stack>
    </Alert>
  );
}

type Query<T> = { data: T | undefined; error: Error | null; isPending: boolean; refetch: () => unknown };

// Shown shows what a query has brought, or that it is under way, or why it has not.
// What was read before stays in sight when a later try fails.
export function Shown<T>({ query, children }: { query: Query<T>; children: (data: T) => ReactNode }) {
  if (query.data !== undefined) {
    return (
      <>
        {query.error && <Trouble error={query.error} again={() => void query.refetch()} />}
        {children(query.data)}
      </>
    );
  }
  if (query.isPending) return <Loading />;
  return <Trouble error={query.error} again={() => void query.refetch()} />;
}
