import { Box, Group, Stack, Text } from "@mantine/core";
import { type InfiniteData, type UseInfiniteQueryResult } from "@tanstack/react-query";
import { useMemo, type ReactNode } from "react";
import { Link, useNavigate } from "react-router";
import type { Schema } from "../../api/client";
import { useMay, useSession } from "../../api/session";
import { Loading, Trouble } from "../../components/States";
import { VirtualGrid, type GridColumn } from "../../components/VirtualGrid";
import { useFormat } from "../../format";
import { useText } from "../../text";
import { Chosen } from "./Chosen";
import classes from "./content.module.css";
import { KindBadge } from "./Kind";
import { artifactPath, shortDigest, type Name } from "./names";
import { useSelection } from "./useSelection";

type Props = {
  query: UseInfiniteQueryResult<InfiniteData<Schema<"PageName">>>;
  asked: string; // what is looked for
  repository?: string; // whose tags these are; all repositories without it
  total?: number;
  empty: ReactNode;
};

const idOf = (n: Name) => n.name;

// NameGrid lists names of any number, and what can be done with those chosen.
export function NameGrid({ query, asked, repository, total, empty }: Props) {
  const t = useText();
  const navigate = useNavigate();
  const rows = useMemo(() => query.data?.pages.flatMap((p) => p.items ?? []) ?? [], [query.data]);
  const columns = useColumns(repository !== undefined);
  const selection = useSelection(rows, idOf);
  const choosing = useChoosing();
  if (query.isPending) return <Loading />;
  const more = query.hasNextPage && !query.isError ? query.fetchNextPage : undefined;
  const place = `names ${repository ?? ""} ${asked}`;
  return (
    <Stack gap="xs">
      {query.error && <Trouble error={query.error} again={() => void (query.data ? query.fetchNextPage() : query.refetch())} />}
      <Group justify="space-between" mih={36}>
        <Found n={rows.length} more={query.hasNextPage} total={total} />
        {choosing && selection.chosen.size > 0 && <Chosen names={[...selection.chosen]} clear={selection.clear} />}
      </Group>
      {rows.length === 0 && !query.error && empty}
      {rows.length > 0 && (
        <Box className={query.isPlaceholderData ? classes.old : undefined}>
          <VirtualGrid
            key={place}
            place={place}
            label={repository ? t.content.tagsOf(repository) : t.content.names}
            rows={rows}
            columns={columns}
            id={idOf}
            more={more}
            reading={query.isFetching}
            total={total}
            open={(n) => void navigate(artifactPath(n.name))}
            selection={choosing ? selection : undefined}
          />
        </Box>
      )}
    </Stack>
  );
}

// useChoosing says whether one may do anything with names that are chosen.
function useChoosing(): boolean {
  const take = useMay("bundles.write");
  const remove = useMay("content.delete");
  return (take || remove) && !useSession().restricted;
}

function useColumns(tagsOnly: boolean): GridColumn<Name>[] {
  const t = useText();
  const f = useFormat();
  return useMemo(
    () => [
      {
        head: tagsOnly ? t.content.tag : t.common.name,
        width: "minmax(0, 1fr)",
        cell: (n, tabIndex) => (
          <Link to={artifactPath(n.name)} tabIndex={tabIndex} className={classes.name} title={n.name}>
            {tagsOnly ? n.tag : n.name}
          </Link>
        ),
      },
      { head: t.common.kind, width: "8.5rem", from: "medium", cell: (n) => <KindBadge kind={n.kind} /> },
      { head: t.content.digest, width: "8.5rem", from: "wide", cell: (n) => <span className={classes.mono} title={n.digest}>{shortDigest(n.digest)}</span> },
      { head: t.content.updated, width: "10rem", from: "medium", cell: (n) => (n.attached ? t.content.attached : n.updated && <time dateTime={n.updated} title={f.time(n.updated)}>{f.relative(n.updated)}</time>) },
    ],
    [t, f, tagsOnly],
  );
}

function Found({ n, more, total }: { n: number; more: boolean; total?: number }) {
  const t = useText().content;
  const f = useFormat();
  const text = !more ? t.found(n, f.count(n)) : total && total > n ? t.foundOf(f.count(n), f.count(total)) : t.foundMore(f.count(n));
  return (
    <Text size="sm" c="dimmed" role="status">
      {text}
    </Text>
  );
}
