import { Checkbox, Group, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { ask, client, type Schema } from "../../api/client";
import { Section } from "../../components/Page";
import { Shown } from "../../components/States";
import { useText } from "../../text";
import { LogLines } from "./LogLines";

const pageSize = 500;

// goesOn says whether a job may tell more.
export const goesOn = (job: Schema<"Job">) => job.state === "queued" || job.state === "running" || job.state === "waiting";

// JobLog shows what a job tells, and more as it comes: each answer waits for the
// next lines while the job goes on.
export function JobLog({ id, open }: { id: string; open: boolean }) {
  const t = useText().jobs;
  const [follow, setFollow] = useState(true);
  const [problems, setProblems] = useState(false);
  const { query, lines } = useLines(id, open);
  const shown = useMemo(() => (problems ? lines.filter((l) => l.level === "warn" || l.level === "error") : lines), [problems, lines]);
  const actions = (
    <Group gap="md">
      <Checkbox label={t.onlyProblems} checked={problems} onChange={(e) => setProblems(e.currentTarget.checked)} />
      {open && <Checkbox label={t.follow} checked={follow} onChange={(e) => setFollow(e.currentTarget.checked)} />}
    </Group>
  );
  return (
    <Section title={t.log} actions={lines.length > 0 && actions}>
      <Shown query={query}>
        {() => (shown.length === 0 ? <Text c="dimmed">{lines.length > 0 ? t.noProblems : open ? t.logEmpty : t.logNone}</Text> : <LogLines lines={shown} follow={follow && open} />)}
      </Shown>
    </Section>
  );
}

// useLines reads what a job has told, page by page, and goes on where it ended. Each
// answer says how the job was then, so that the last lines are not missed.
function useLines(id: string, open: boolean) {
  const query = useInfiniteQuery({
    queryKey: ["joblog", id],
    initialPageParam: 0,
    queryFn: ({ pageParam: after, signal }) =>
      ask(client.GET("/api/v1/jobs/{id}/lines", { params: { path: { id }, query: { after, limit: pageSize, wait: after > 0 && open ? 20 : 0 } }, signal })),
    getNextPageParam: (page, _all, after) => page.lines?.at(-1)?.n ?? after,
    staleTime: Infinity,
  });
  const { fetchNextPage, isFetching, data, error } = query;
  const last = data?.pages.at(-1);
  useEffect(() => {
    if (!last || isFetching || error) return;
    const more = last.lines?.length === pageSize || goesOn(last.job);
    if (!more && !open) return;
    // A job that had ended then and goes on now was begun again just now.
    const timer = setTimeout(() => void fetchNextPage(), more ? pauseAfter(last.lines?.length ?? 0) : 2000);
    return () => clearTimeout(timer);
  }, [open, last, isFetching, error, fetchNextPage]);
  const lines = useMemo(() => data?.pages.flatMap((p) => p.lines ?? []) ?? [], [data]);
  return { query, lines };
}

// pauseAfter keeps a job that tells a line at a time from being asked for each.
const pauseAfter = (lines: number) => (lines === pageSize ? 0 : 500);
