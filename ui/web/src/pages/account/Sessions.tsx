import { Badge, Button, Group, Text } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { ask, client, type Schema } from "../../api/client";
import { useConfirm } from "../../components/Confirm";
import { DataTable, type Column } from "../../components/DataTable";
import { Section } from "../../components/Page";
import { Empty, Shown } from "../../components/States";
import { useFormat } from "../../format";
import { useText } from "../../text";
import { browserOf } from "../../components/browser";

type Session = Schema<"Session">;

// Sessions lists where a user is signed in, and ends what should not be.
export function Sessions({ user }: { user: string }) {
  const t = useText().account.sessions;
  const query = useQuery({ queryKey: ["users", user, "sessions"], queryFn: () => ask(client.GET("/api/v1/users/{id}/sessions", { params: { path: { id: user } } })) });
  const others = (query.data ?? []).filter((s) => !s.current);
  return (
    <Section title={t.title} about={t.about} actions={others.length > 1 && <EndOthers user={user} others={others} />}>
      <Shown query={query}>
        {(list) =>
          list.length > 0 ? (
            <SessionTable user={user} rows={[...list].sort(byUse)} />
          ) : (
            <Empty title={t.empty}>{t.emptyText}</Empty>
          )
        }
      </Shown>
    </Section>
  );
}

// byUse has the present session first, then those that were used last.
const byUse = (a: Session, b: Session) => Number(b.current) - Number(a.current) || b.seen.localeCompare(a.seen);

function SessionTable({ user, rows }: { user: string; rows: Session[] }) {
  const t = useText();
  const f = useFormat();
  const words = t.account.sessions;
  const name = useBrowserName();
  const columns: Column<Session>[] = [
    {
      head: words.browser,
      cell: (s) => (
        <>
          <Group gap="xs">
            <Text span title={s.agent}>
              {name(s)}
            </Text>
            {s.current && (
              <Badge variant="light" style={{ textTransform: "none" }}>
                {words.current}
              </Badge>
            )}
          </Group>
          <Text size="xs" c="dimmed">
            {words.began(f.time(s.created))}
          </Text>
        </>
      ),
    },
    { head: words.address, cell: (s) => s.address },
    { head: words.seen, cell: (s) => f.relative(s.seen) },
    { head: t.common.actions, end: true, cell: (s) => !s.current && <EndOne user={user} session={s} /> },
  ];
  return <DataTable label={words.title} rows={rows} columns={columns} id={(s) => s.id} />;
}

function useBrowserName() {
  const t = useText().account.sessions;
  return (s: Session) => {
    const { browser, system } = browserOf(s.agent);
    if (!browser) return s.agent.slice(0, 40) || t.otherBrowser;
    return system ? t.on(browser, system) : browser;
  };
}

// useEnd ends sessions one by one: to end all would end the present one, too.
function useEnd(user: string) {
  const cache = useQueryClient();
  return async (sessions: Session[]) => {
    try {
      for (const { id: session } of sessions) await ask(client.DELETE("/api/v1/users/{id}/sessions/{session}", { params: { path: { id: user, session } } }));
    } finally {
      await cache.invalidateQueries({ queryKey: ["users"] });
    }
  };
}

function EndOne({ user, session }: { user: string; session: Session }) {
  const t = useText().account.sessions;
  const confirm = useConfirm();
  const end = useEnd(user);
  const name = useBrowserName()(session);
  const ask = () => confirm({ title: t.endTitle, destroys: t.endText(name, session.address), action: t.end, undo: true, act: () => end([session]) });
  return (
    <Button size="compact-sm" variant="subtle" color="red" onClick={ask} aria-label={t.endNamed(name, session.address)}>
      {t.end}
    </Button>
  );
}

function EndOthers({ user, others }: { user: string; others: Session[] }) {
  const t = useText().account.sessions;
  const confirm = useConfirm();
  const end = useEnd(user);
  const ask = () => confirm({ title: t.endOthersTitle, destroys: t.endOthersText(others.length), action: t.endOthers, undo: true, act: () => end(others) });
  return (
    <Button variant="default" onClick={ask}>
      {t.endOthers}
    </Button>
  );
}
