import { Button, Group, Stack, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { Link } from "react-router";
import { ask, client, type Schema } from "../../api/client";
import { useMay } from "../../api/session";
import { Digest } from "../../components/Copy";
import { DataTable, type Column } from "../../components/DataTable";
import { ClusterIcon } from "../../components/icons";
import { NameLink } from "../../components/Names";
import { Section } from "../../components/Page";
import { Empty, Shown } from "../../components/States";
import { useFormat } from "../../format";
import { useText } from "../../text";

type Name = Schema<"Name">;

// So many pages of names are looked through by themselves; more when that is wanted.
const pagesAtOnce = 10;

// Definitions lists the definitions among the names of the site. The API has no
// list of them alone.
export function Definitions() {
  const t = useText().clusters;
  const f = useFormat();
  const query = useInfiniteQuery({
    queryKey: ["content", "definitions"],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam: after, signal }) => {
      const page = await ask(client.GET("/api/v1/content/names", { params: { query: { after, limit: 500 } }, signal }));
      const names = page.items ?? [];
      return { next: page.next, looked: names.length, found: names.filter((n) => n.kind === "definition") };
    },
    getNextPageParam: (page) => page.next,
  });
  const { data, hasNextPage, isFetching, error, fetchNextPage } = query;
  const goOn = hasNextPage && !error && (data?.pages.length ?? 0) % pagesAtOnce !== 0;
  useEffect(() => {
    if (goOn && !isFetching) void fetchNextPage();
  }, [goOn, isFetching, fetchNextPage]);
  const rows = useMemo(() => data?.pages.flatMap((p) => p.found) ?? [], [data]);
  const looked = data?.pages.reduce((sum, p) => sum + p.looked, 0) ?? 0;
  return (
    <Section title={t.definitions} about={t.definitionsAbout}>
      <Shown query={query}>
        {() => (
          <Stack>
            {rows.length > 0 && <DefinitionTable rows={rows} />}
            {rows.length === 0 && !hasNextPage && <NoDefinitions />}
            {hasNextPage && (
              <Group>
                <Text size="sm" c="dimmed" role="status">
                  {goOn ? t.looking : t.looked(f.count(looked))}
                </Text>
                {!goOn && (
                  <Button size="xs" variant="default" loading={isFetching} onClick={() => void fetchNextPage()}>
                    {t.lookFurther}
                  </Button>
                )}
              </Group>
            )}
          </Stack>
        )}
      </Shown>
    </Section>
  );
}

function NoDefinitions() {
  const t = useText().clusters;
  const may = useMay("bundles.write");
  return (
    <Empty icon={<ClusterIcon />} title={t.empty} action={may && <Button component={Link} to="/land">{t.land}</Button>}>
      {t.emptyText}
    </Empty>
  );
}

function DefinitionTable({ rows }: { rows: Name[] }) {
  const t = useText();
  const f = useFormat();
  const columns: Column<Name>[] = [
    {
      head: t.common.name,
      cell: (n) => (
        <>
          <NameLink name={n.name} />
          {n.attached && (
            <Text size="xs" c="dimmed">
              {t.clusters.attached}
            </Text>
          )}
        </>
      ),
    },
    { head: t.clusters.version, cell: (n) => n.tag },
    { head: t.clusters.digest, cell: (n) => <Digest value={n.digest} /> },
    { head: t.common.size, cell: (n) => f.bytes(n.size), end: true, wide: true },
    { head: t.clusters.updated, cell: (n) => n.updated && <Text size="sm">{f.time(n.updated)}</Text>, wide: true },
  ];
  return <DataTable label={t.clusters.definitions} rows={rows} columns={columns} id={(n) => n.name} />;
}
