import { Button, Stack } from "@mantine/core";
import type { ReactNode } from "react";
import { useText } from "../text";
import { Shown } from "./States";

// Pages are those of a list that were read so far, and how to read the next.
type Pages<T> = {
  data: { pages: { items: T[] | null }[] } | undefined;
  error: Error | null;
  isPending: boolean;
  refetch: () => unknown;
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  fetchNextPage: () => unknown;
};

// Paged shows a list of which more is read when that is asked for; none stands where
// nothing is in it.
export function Paged<T>({ query, none, children }: { query: Pages<T>; none: ReactNode; children: (rows: T[]) => ReactNode }) {
  const t = useText();
  return (
    <Shown query={query}>
      {({ pages }) => {
        const rows = pages.flatMap((p) => p.items ?? []);
        if (rows.length === 0) return none;
        return (
          <Stack>
            {children(rows)}
            {query.hasNextPage && (
              <Button variant="default" onClick={() => void query.fetchNextPage()} loading={query.isFetchingNextPage}>
                {t.common.more}
              </Button>
            )}
          </Stack>
        );
      }}
    </Shown>
  );
}
