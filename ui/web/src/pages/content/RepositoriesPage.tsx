import { Box, Card, Stack } from "@mantine/core";
import { useMemo } from "react";
import { Link, useNavigate } from "react-router";
import { Page } from "../../components/Page";
import { Loading, Trouble } from "../../components/States";
import { VirtualGrid, type GridColumn } from "../../components/VirtualGrid";
import { useFormat } from "../../format";
import { useText } from "../../text";
import classes from "./content.module.css";
import { repositoryPath, useRepositories, type Repository } from "./names";
import { NothingHere } from "./NothingHere";
import { SearchBox } from "./SearchBox";
import { useQueryText } from "./useQueryText";
import { Ways } from "./Ways";

const idOf = (r: Repository) => r.name;

// RepositoriesPage finds repositories.
export function RepositoriesPage() {
  const t = useText().content;
  const search = useQueryText();
  return (
    <Page title={t.repositories} about={t.aboutRepositories}>
      <Ways />
      <Card>
        <SearchBox label={t.searchRepositories} value={search.text} onChange={search.setText} />
        <Repositories asked={search.asked} clear={() => search.setText("")} />
      </Card>
    </Page>
  );
}

function Repositories({ asked, clear }: { asked: string; clear: () => void }) {
  const t = useText();
  const navigate = useNavigate();
  const query = useRepositories(asked);
  const rows = useMemo(() => query.data?.pages.flatMap((p) => p.items ?? []) ?? [], [query.data]);
  const columns = useColumns();
  if (query.isPending) return <Loading />;
  const place = `repositories ${asked}`;
  return (
    <Stack gap="xs">
      {query.error && <Trouble error={query.error} again={() => void (query.data ? query.fetchNextPage() : query.refetch())} />}
      {rows.length === 0 && !query.error && <NothingHere asked={asked} clear={clear} />}
      {rows.length > 0 && (
        <Box className={query.isPlaceholderData ? classes.old : undefined}>
          <VirtualGrid
            key={place}
            place={place}
            label={t.content.repositories}
            rows={rows}
            columns={columns}
            id={idOf}
            more={query.hasNextPage && !query.isError ? query.fetchNextPage : undefined}
            reading={query.isFetching}
            open={(r) => void navigate(repositoryPath(r.name))}
          />
        </Box>
      )}
    </Stack>
  );
}

function useColumns(): GridColumn<Repository>[] {
  const t = useText();
  const f = useFormat();
  return useMemo(
    () => [
      {
        head: t.common.name,
        width: "minmax(0, 1fr)",
        cell: (r, tabIndex) => (
          <Link to={repositoryPath(r.name)} tabIndex={tabIndex} className={classes.name} title={r.name}>
            {r.name}
          </Link>
        ),
      },
      { head: t.content.tags, width: "6rem", end: true, cell: (r) => f.count(r.tags) },
      { head: t.content.manifests, width: "7rem", end: true, from: "medium", cell: (r) => f.count(r.manifests) },
      { head: t.content.updated, width: "10rem", from: "medium", cell: (r) => (r.attached ? t.content.attached : r.updated && <time dateTime={r.updated} title={f.time(r.updated)}>{f.relative(r.updated)}</time>) },
    ],
    [t, f],
  );
}
