import { Button, Group, Select, Stack, Text, TextInput } from "@mantine/core";
import { useMemo, useState } from "react";
import type { Schema } from "../../api/client";
import { DataTable, type Column } from "../../components/DataTable";
import { NameLink } from "../../components/Names";
import { Section } from "../../components/Page";
import { useFormat } from "../../format";
import { useText } from "../../text";
import { Word } from "./shared";

type Image = Schema<"MirrorResult">;
type Deleted = Schema<"Deleted">;

const states = ["failed", "refused", "deferred", "unbegun", "copied"];
const colors: Record<string, string> = { copied: "teal", refused: "orange", failed: "red", deferred: "yellow", unbegun: "gray" };
const step = 100;

const short = (digest: string) => digest.replace(/^sha256:/, "").slice(0, 12);

// RunImages lists the images that a run changed or could not: what needs somebody first.
export function RunImages({ images }: { images: Image[] }) {
  const t = useText();
  const f = useFormat();
  const [state, setState] = useState<string | null>(null);
  const [mirror, setMirror] = useState<string | null>(null);
  const [part, setPart] = useState("");
  const [many, setMany] = useState(step);
  const ordered = useMemo(() => [...images].sort((a, b) => states.indexOf(a.state) - states.indexOf(b.state)), [images]);
  const mirrors = useMemo(() => [...new Set(images.map((i) => i.mirror))], [images]);
  const there = states.filter((s) => images.some((i) => i.state === s));
  const rows = ordered.filter((i) => (!state || i.state === state) && (!mirror || i.mirror === mirror) && i.destination.includes(part.trim()));
  if (images.length === 0) {
    return (
      <Section title={t.mirrors.changes}>
        <Text size="sm">{t.mirrors.noChanges}</Text>
      </Section>
    );
  }
  return (
    <Section title={t.mirrors.changes} about={t.mirrors.changesAbout}>
      <Group mb="sm" align="flex-end">
        <Select label={t.mirrors.filterState} placeholder={t.common.all} clearable value={state} onChange={setState} data={there.map((s) => ({ value: s, label: t.mirrors.imageState[s] ?? s }))} />
        {mirrors.length > 1 && <Select label={t.mirrors.filterMirror} placeholder={t.common.all} clearable value={mirror} onChange={setMirror} data={mirrors} />}
        <TextInput label={t.mirrors.filterName} value={part} onChange={(e) => setPart(e.currentTarget.value)} />
      </Group>
      <Stack>
        {rows.length === 0 ? <Text size="sm">{t.mirrors.noneLikeThat}</Text> : <Images rows={rows.slice(0, many)} />}
        {rows.length > many && (
          <Button variant="default" onClick={() => setMany(many + step)}>
            {t.common.more} ({f.count(rows.length - many)})
          </Button>
        )}
      </Stack>
    </Section>
  );
}

function Images({ rows }: { rows: Image[] }) {
  const t = useText();
  const f = useFormat();
  const columns: Column<Image>[] = [
    { head: t.mirrors.image, cell: (i) => <Imaged image={i} /> },
    { head: t.common.state, cell: (i) => <Word color={colors[i.state] ?? "gray"}>{t.mirrors.imageState[i.state] ?? i.state}</Word> },
    {
      head: t.mirrors.digest,
      cell: (i) => (
        <Stack gap={0}>
          {i.digest && (
            <Text size="sm" ff="monospace" title={i.digest}>
              {short(i.digest)}
            </Text>
          )}
          {i.state === "copied" && (
            <Text size="xs" c="dimmed" title={i.was}>
              {i.was ? t.mirrors.was(short(i.was)) : t.mirrors.fresh}
            </Text>
          )}
        </Stack>
      ),
    },
    { head: t.common.size, cell: (i) => (i.bytes ? f.bytes(i.bytes) : ""), wide: true, end: true },
  ];
  return <DataTable label={t.mirrors.changes} rows={rows} columns={columns} id={(i) => `${i.mirror} ${i.destination}`} />;
}

function Imaged({ image }: { image: Image }) {
  const t = useText().mirrors;
  const f = useFormat();
  const here = image.state === "copied" || image.was !== undefined;
  return (
    <Stack gap={2}>
      {here ? <NameLink name={image.destination} /> : <span style={{ overflowWrap: "anywhere" }}>{image.destination}</span>}
      {image.source !== image.destination && (
        <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
          {t.from(image.source)}
        </Text>
      )}
      {image.error && (
        <Text size="sm" c="red" style={{ overflowWrap: "anywhere" }}>
          {image.error}
        </Text>
      )}
      {image.until && <Text size="sm">{t.until(f.time(image.until))}</Text>}
      {image.moved && <Text size="sm">{t.movedSince(short(image.moved))}</Text>}
    </Stack>
  );
}

// Deletions are the tags that a run took away, or could not.
export function Deletions({ rows }: { rows: Deleted[] }) {
  const t = useText().mirrors;
  const columns: Column<Deleted>[] = [
    { head: t.image, cell: (d) => (d.error ? <NameLink name={d.name} /> : <span style={{ overflowWrap: "anywhere" }}>{d.name}</span>) },
    { head: t.mirror, cell: (d) => d.mirror },
    { head: t.reason, cell: (d) => d.reason },
    { head: t.result, cell: (d) => (d.error ? t.kept(d.error) : t.deleted) },
  ];
  return (
    <Section title={t.deletions} about={t.deletionsAbout}>
      <DataTable label={t.deletions} rows={rows} columns={columns} id={(d) => `${d.mirror} ${d.name}`} />
    </Section>
  );
}
