import { Anchor, Drawer, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { ask, client, type Schema } from "../../api/client";
import { Digest } from "../../components/Copy";
import { Facts } from "../../components/Facts";
import { Shown } from "../../components/States";
import { useFormat } from "../../format";
import { useText } from "../../text";
import { Outcome, useActionName } from "./AuditTable";
import { Changes } from "./Changes";

type Record = Schema<"AuditRecord">;

// Entry shows one entry beside the list, with all that it says.
export function Entry({ id, close }: { id?: number; close: () => void }) {
  const t = useText();
  const [last, setLast] = useState(id); // stays while the drawer goes
  if (id !== undefined && id !== last) setLast(id);
  return (
    <Drawer opened={id !== undefined} onClose={close} position="right" size="xl" title={t.audit.entry(String(last ?? ""))} styles={{ title: { fontWeight: 650 } }} closeButtonProps={{ "aria-label": t.common.close }}>
      {last !== undefined && <Read id={last} />}
    </Drawer>
  );
}

function Read({ id }: { id: number }) {
  const t = useText().audit;
  const query = useQuery({
    queryKey: ["audit", "entry", id],
    queryFn: () => ask(client.GET("/api/v1/audit", { params: { query: { before: id + 1, limit: 1 } } })),
    staleTime: Infinity, // an entry never changes
  });
  return (
    <Shown query={query}>
      {(page) => {
        const entry = page.items?.find((e) => e.id === id);
        return entry ? <Told entry={entry} /> : <Text>{t.gone}</Text>;
      }}
    </Shown>
  );
}

// way says how somebody came. What follows the colon is the token, or the kind of the job.
function way(via: string | undefined, words: { [way: string]: string }): string | undefined {
  if (!via) return undefined;
  const [kind = "", ...more] = via.split(":");
  return [words[kind] ?? kind, ...more].join(" ");
}

function Told({ entry }: { entry: Record }) {
  const t = useText().audit;
  const f = useFormat();
  const name = useActionName();
  const { actor } = entry;
  return (
    <Stack>
      <Facts
        items={[
          [t.at, f.time(entry.at)],
          [t.action, `${name(entry)} (${entry.action})`],
          [t.target, <Target key="target" entry={entry} />],
          [t.outcome, <Outcome key="outcome" outcome={entry.outcome} />],
          [t.actor, t.by(actor.name, t.kind[actor.kind] ?? actor.kind)],
          [t.address, actor.address],
          [t.viaLabel, way(actor.via, t.via)],
          [t.request, entry.request && <Digest key="request" value={entry.request} length={32} />],
        ]}
      />
      <Title order={3}>{t.changes}</Title>
      <Changes before={entry.before} after={entry.after} />
      <Title order={3}>{t.hash}</Title>
      <Text size="sm" c="dimmed">
        {t.chainHint}
      </Text>
      <Facts
        items={[
          [t.hash, <Digest key="hash" value={entry.hash} length={64} />],
          [t.previous, <Digest key="previous" value={entry.previous} length={64} />],
        ]}
      />
    </Stack>
  );
}

function Target({ entry }: { entry: Record }) {
  if (entry.action.startsWith("job.")) {
    return (
      <Anchor component={Link} to={`/jobs/${entry.target}`}>
        {entry.target}
      </Anchor>
    );
  }
  return <>{entry.target || "—"}</>;
}
