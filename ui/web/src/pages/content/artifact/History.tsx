import { Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { ask, client, type Schema } from "../../../api/client";
import { DataTable, type Column } from "../../../components/DataTable";
import { Section } from "../../../components/Page";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import { splitName } from "../names";
import { Paged } from "../../../components/Paged";
import { ToDigest } from "./About";

type Change = Schema<"TagChange">;

// History is what a tag has pointed at, also of one that is gone. A digest has none.
export function History({ name }: { name: string }) {
  const t = useText();
  const { repository, tag } = splitName(name);
  const query = useInfiniteQuery({
    queryKey: ["content", "history", name],
    initialPageParam: undefined as number | undefined,
    queryFn: ({ pageParam: before }) => ask(client.GET("/api/v1/content/history", { params: { query: { name, before, limit: 20 } } })),
    getNextPageParam: (page) => (page.next ? Number(page.next) : undefined),
    enabled: tag !== undefined,
  });
  if (tag === undefined) return null;
  return (
    <Section title={t.content.history.title} about={t.content.history.about}>
      <Paged query={query} none={<Text size="sm">{t.content.history.none}</Text>}>
        {(rows) => <Changes rows={rows} repository={repository} />}
      </Paged>
    </Section>
  );
}

function Changes({ rows, repository }: { rows: Change[]; repository: string }) {
  const t = useText();
  const f = useFormat();
  const digest = (d: string | undefined) => (d ? <ToDigest repository={repository} digest={d} /> : t.common.none);
  const columns: Column<Change>[] = [
    { head: t.content.history.at, cell: (c) => <Text size="sm">{f.time(c.at)}</Text> },
    { head: t.content.history.what, cell: (c) => t.content.history.action[c.action] },
    { head: t.content.history.who, cell: (c) => c.actor.name },
    { head: t.content.history.before, cell: (c) => digest(c.before), wide: true },
    { head: t.content.history.after, cell: (c) => digest(c.after) },
  ];
  return <DataTable label={t.content.history.title} rows={rows} columns={columns} id={(c) => String(c.entry)} />;
}
