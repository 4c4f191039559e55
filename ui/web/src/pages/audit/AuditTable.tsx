import { Badge, Text, UnstyledButton } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { ask, client, type Schema } from "../../api/client";
import { DataTable, type Column } from "../../components/DataTable";
import { AuditIcon } from "../../components/icons";
import { Paged } from "../../components/Paged";
import { Empty } from "../../components/States";
import { useFormat } from "../../format";
import { fieldsOf, textOf } from "../../narrow";
import { useText } from "../../text";
import classes from "./audit.module.css";
import type { Filter } from "./filter";

type Entry = Schema<"AuditRecord">;

// AuditTable lists entries, the newest first; one is opened by its number.
export function AuditTable({ filter, open }: { filter: Filter; open: (id: number) => void }) {
  const query = useInfiniteQuery({
    queryKey: ["audit", "list", filter],
    initialPageParam: undefined as number | undefined,
    queryFn: ({ pageParam: before }) => ask(client.GET("/api/v1/audit", { params: { query: { ...filter, before, limit: 100 } } })),
    getNextPageParam: (page) => (page.next ? Number(page.next) : undefined),
  });
  return (
    <Paged query={query} none={<NoEntries filtered={Object.keys(filter).length > 0} />}>
      {(rows) => <Entries rows={rows} open={open} />}
    </Paged>
  );
}

function NoEntries({ filtered }: { filtered: boolean }) {
  const t = useText().audit;
  return (
    <Empty icon={<AuditIcon />} title={filtered ? t.emptyFiltered : t.empty}>
      {filtered ? t.emptyFilteredText : t.emptyText}
    </Empty>
  );
}

function Entries({ rows, open }: { rows: Entry[]; open: (id: number) => void }) {
  const t = useText().audit;
  const f = useFormat();
  const name = useActionName();
  const columns: Column<Entry>[] = [
    { head: t.at, cell: (e) => <Text size="sm">{f.time(e.at)}</Text>, width: "13.5rem" },
    {
      head: t.action,
      cell: (e) => (
        <UnstyledButton className={classes.open} onClick={() => open(e.id)} aria-haspopup="dialog" aria-label={`${name(e)}, ${t.open(String(e.id))}`}>
          {name(e)}
        </UnstyledButton>
      ),
    },
    {
      head: t.target,
      cell: (e) => (
        <Text size="sm" style={{ overflowWrap: "anywhere" }} lineClamp={3}>
          {e.target}
        </Text>
      ),
    },
    { head: t.actor, cell: (e) => <Text size="sm">{e.actor.name}</Text> },
    { head: t.outcome, cell: (e) => <Outcome outcome={e.outcome} /> },
  ];
  return <DataTable label={t.list} rows={rows} columns={columns} id={(e) => String(e.id)} />;
}

// useActionName is what an action is called; one on a job with the job's kind.
export function useActionName() {
  const t = useText();
  return (e: Entry) => {
    const name = t.audit.actions[e.action] ?? e.action;
    const kind = e.action.startsWith("job.") ? textOf(fieldsOf(e.after).kind) || textOf(fieldsOf(e.before).kind) : "";
    return kind ? `${name}: ${t.jobs.kind[kind] ?? kind}` : name;
  };
}

const colors: Record<string, string> = { ok: "teal", denied: "orange", failed: "red" };

export function Outcome({ outcome }: { outcome: string }) {
  const t = useText().audit;
  return (
    <Badge color={colors[outcome] ?? "gray"} variant="light" style={{ textTransform: "none" }}>
      {t.outcomes[outcome] ?? outcome}
    </Badge>
  );
}
