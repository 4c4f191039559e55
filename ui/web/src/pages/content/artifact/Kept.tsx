import { Badge, Button, Stack, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "react-router";
import { ask, client, type Schema } from "../../../api/client";
import { useMay } from "../../../api/session";
import { DataTable, type Column } from "../../../components/DataTable";
import { Section } from "../../../components/Page";
import { Trouble } from "../../../components/States";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import { artifactPath, shortDigest } from "../names";
import classes from "./artifact.module.css";
import type { Artifact } from "./index";

type Root = Schema<"Root">;
type Pin = Schema<"StorePin">;

// Kept says why a collection would leave the artifact where it is, and who has
// pinned it.
export function Kept({ artifact: a }: { artifact: Artifact }) {
  const t = useText().content.kept;
  const roots = a.roots ?? [];
  const pins = a.pins ?? [];
  if (a.attached) return null;
  return (
    <Section title={t.title} about={t.about}>
      <Stack>
        {roots.length === 0 ? <Text size="sm">{t.nothing}</Text> : <Roots roots={roots} artifact={a} />}
        {pins.length > 0 && <Pins pins={pins} />}
      </Stack>
    </Section>
  );
}

function Roots({ roots, artifact: a }: { roots: Root[]; artifact: Artifact }) {
  const t = useText();
  const kinds: Record<string, string> = t.content.kept.kind;
  const means: Record<string, string> = t.content.kept.means; // of a pin, what its owner has said is told
  const columns: Column<Root>[] = [
    {
      head: t.content.kept.reason,
      cell: (r) => (
        <Badge color={r.kind === "pin" ? "orange" : "gray"} variant="light" style={{ textTransform: "none" }}>
          {kinds[r.kind] ?? r.kind}
        </Badge>
      ),
    },
    {
      head: t.common.name,
      cell: (r) => <RootName root={r} artifact={a} />,
    },
    { head: t.common.details, cell: (r) => <Text size="sm">{(r.path?.length ?? 1) > 1 ? `${means[r.kind] ?? r.reason} ${t.content.kept.over}` : (means[r.kind] ?? r.reason)}</Text>, wide: true },
  ];
  return <DataTable label={t.content.kept.title} rows={roots} columns={columns} id={(r) => `${r.kind} ${r.name} ${r.reason}`} />;
}

// RootName leads to what keeps the artifact, where that is something else.
function RootName({ root: r, artifact: a }: { root: Root; artifact: Artifact }) {
  const t = useText().content;
  const [before, digest] = r.name.split("@");
  if (digest === a.digest && r.repository === a.repository) return t.itself;
  const shown = digest ? `${before}@${shortDigest(digest)}` : r.name;
  if (r.name === a.name || r.kind === "upload") return <span style={{ overflowWrap: "anywhere" }}>{shown}</span>;
  return (
    <Link to={artifactPath(r.name)} className={classes.link} style={{ overflowWrap: "anywhere" }} title={r.name}>
      {shown}
    </Link>
  );
}

function Pins({ pins }: { pins: Pin[] }) {
  const t = useText();
  const f = useFormat();
  const may = useMay("content.write");
  const columns: Column<Pin>[] = [
    { head: t.content.pin.owner, cell: (p) => p.owner },
    { head: t.content.pin.reason, cell: (p) => p.reason },
    { head: t.content.tag, cell: (p) => p.tag || t.common.none },
    { head: t.content.pin.since, cell: (p) => <Text size="sm">{f.time(p.created)}</Text>, wide: true },
    ...(may ? [{ head: t.common.actions, cell: (p: Pin) => <Unpin pin={p} />, end: true }] : []),
  ];
  return <DataTable label={t.content.pin.pins} rows={pins} columns={columns} id={(p) => `${p.owner} ${p.tag ?? ""}`} />;
}

function Unpin({ pin }: { pin: Pin }) {
  const t = useText().content.pin;
  const cache = useQueryClient();
  const { repository, digest, owner, tag } = pin;
  const remove = useMutation({
    mutationFn: () => ask(client.POST("/api/v1/content/unpin", { body: tag ? { repository, tag, owner } : { repository, digest, owner } })),
    onSuccess: () => {
      notifications.show({ color: "teal", message: t.unpinned });
      return cache.invalidateQueries({ queryKey: ["content"] });
    },
  });
  return (
    <>
      <Button size="compact-sm" variant="default" loading={remove.isPending} onClick={() => remove.mutate()} aria-label={t.unpinOf(owner)}>
        {t.unpin}
      </Button>
      {remove.error && <Trouble error={remove.error} />}
    </>
  );
}
