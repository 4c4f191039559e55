import { Badge, Button, Group, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { ask, client, type Schema } from "../../../api/client";
import { useMay } from "../../../api/session";
import { useConfirm } from "../../../components/Confirm";
import { DataTable, type Column } from "../../../components/DataTable";
import { Section } from "../../../components/Page";
import { Shown, Trouble } from "../../../components/States";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import { browserOf } from "../../../components/browser";

type Session = Schema<"Session">;

// Sessions are the browsers in which a user is signed in.
export function Sessions({ user }: { user: Schema<"User"> }) {
  const t = useText().settings.users;
  const may = useMay("users.write");
  const confirm = useConfirm();
  const cache = useQueryClient();
  const path = { id: user.id };
  const query = useQuery({ queryKey: ["users", user.id, "sessions"], queryFn: () => ask(client.GET("/api/v1/users/{id}/sessions", { params: { path } })) });
  const again = () => cache.invalidateQueries({ queryKey: ["users", user.id, "sessions"] });
  const endAll = () => ask(client.DELETE("/api/v1/users/{id}/sessions", { params: { path } })).then(again);
  const some = (query.data ?? []).length > 0;
  const action = may && some && (
    <Button variant="default" onClick={() => confirm({ title: t.endAllTitle(user.name), destroys: t.endAllText, action: t.endAll, undo: true, act: endAll })}>
      {t.endAll}
    </Button>
  );
  return (
    <Section title={t.sessions} about={t.sessionsAbout} actions={action}>
      <Shown query={query}>{(list) => (list && list.length > 0 ? <SessionTable user={user} rows={list} again={again} /> : <Text c="dimmed" size="sm">{t.noSessions}</Text>)}</Shown>
    </Section>
  );
}

function SessionTable({ user, rows, again }: { user: Schema<"User">; rows: Session[]; again: () => Promise<void> }) {
  const { common, settings } = useText();
  const t = settings.users;
  const f = useFormat();
  const name = useBrowserName();
  const may = useMay("users.write");
  const end = useMutation({
    mutationFn: (session: string) => ask(client.DELETE("/api/v1/users/{id}/sessions/{session}", { params: { path: { id: user.id, session } } })),
    onSuccess: again,
  });
  const columns: Column<Session>[] = [
    {
      head: t.browser,
      cell: (s) => (
        <Group gap="xs">
          <Text size="sm" title={s.agent}>
            {name(s)}
          </Text>
          {s.current && (
            <Badge variant="light" style={{ textTransform: "none" }}>
              {t.thisOne}
            </Badge>
          )}
        </Group>
      ),
    },
    { head: t.address, cell: (s) => <Text size="sm">{s.address}</Text>, wide: true },
    { head: t.seen, cell: (s) => <Text size="sm">{f.time(s.seen)}</Text> },
    { head: t.ends, cell: (s) => <Text size="sm">{f.time(s.expires)}</Text>, wide: true },
  ];
  if (may) {
    columns.push({
      head: common.actions,
      end: true,
      cell: (s) => (
        <Button size="xs" variant="subtle" loading={end.isPending && end.variables === s.id} onClick={() => end.mutate(s.id)} aria-label={`${t.end}: ${name(s)}, ${s.address}`}>
          {t.end}
        </Button>
      ),
    });
  }
  return (
    <>
      {end.error && <Trouble error={end.error} />}
      <DataTable label={t.sessions} rows={rows} columns={columns} id={(s) => s.id} />
    </>
  );
}

function useBrowserName() {
  const t = useText().account.sessions;
  return (s: Session) => {
    const { browser, system } = browserOf(s.agent);
    if (!browser) return s.agent.slice(0, 40) || t.otherBrowser;
    return system ? t.on(browser, system) : browser;
  };
}
