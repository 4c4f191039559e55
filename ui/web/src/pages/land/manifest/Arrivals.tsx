import { Badge, Button, Group, SegmentedControl, Stack, Text } from "@mantine/core";
import { useState } from "react";
import type { Schema } from "../../../api/client";
import { Digest } from "../../../components/Copy";
import { DataTable, type Column } from "../../../components/DataTable";
import { Section } from "../../../components/Page";
import { useFormat } from "../../../format";
import { useText } from "../../../text";

type Arrival = Schema<"Arrival">;
type Change = Arrival["change"];

const changes: Change[] = ["new", "moves", "same"];
const colors: Record<Change, string> = { new: "teal", moves: "orange", same: "gray" };
const page = 100;

// Arrivals are the names that come, with what each does here. Those that change
// something stand first.
export function Arrivals({ names }: { names: Arrival[] }) {
  const text = useText();
  const t = text.land.review;
  const f = useFormat();
  const [only, setOnly] = useState("");
  const [shown, setShown] = useState(page);
  const columns = useColumns();
  const count = (c: Change) => names.filter((n) => n.change === c).length;
  const rows = names.filter((n) => only === "" || n.change === only).sort((a, b) => changes.indexOf(a.change) - changes.indexOf(b.change));
  const present = changes.filter((c) => count(c) > 0);
  const numbers = { new: f.count(count("new")), moves: f.count(count("moves")), same: f.count(count("same")) };
  return (
    <Section title={t.names} about={names.length === 0 ? t.loose : t.namesAbout(f.count(names.length), f.list(present.map((c) => t.counted[c](numbers[c]))))}>
      {names.length > 0 && (
        <Stack>
          {present.length > 1 && (
            <Group>
              <SegmentedControl
                aria-label={t.filter}
                value={only}
                onChange={setOnly}
                data={[{ value: "", label: text.common.all }, ...present.map((c) => ({ value: c, label: `${t.change[c]} (${numbers[c]})` }))]}
              />
            </Group>
          )}
          <DataTable label={t.names} rows={rows.slice(0, shown)} columns={columns} id={(n) => n.name + n.digest} />
          {rows.length > shown && (
            <Button variant="default" onClick={() => setShown(shown + 10 * page)}>
              {text.common.more}
            </Button>
          )}
        </Stack>
      )}
    </Section>
  );
}

function useColumns(): Column<Arrival>[] {
  const text = useText();
  const t = text.land.review;
  const f = useFormat();
  return [
    { head: text.common.name, cell: (n) => <Text size="sm" fw={500} style={{ overflowWrap: "anywhere", minWidth: "9rem" }}>{n.name || t.noName}</Text> },
    {
      head: t.changeHead,
      cell: (n) => (
        <Badge variant="light" color={colors[n.change]} style={{ textTransform: "none" }}>
          {t.change[n.change]}
        </Badge>
      ),
    },
    { head: t.digestHead, cell: (n) => <StandsFor arrival={n} /> },
    { head: t.platforms, cell: (n) => <Platforms arrival={n} /> },
    { head: text.common.size, cell: (n) => <span style={{ whiteSpace: "nowrap" }}>{f.bytes(n.size)}</span>, end: true },
  ];
}

// StandsFor shows a digest, and what it was before.
function StandsFor({ arrival }: { arrival: Arrival }) {
  const t = useText().land.review;
  const moves = arrival.change === "moves" && arrival.now;
  return (
    <Stack gap={0}>
      {moves && <Labelled label={t.now} digest={moves} />}
      {moves ? <Labelled label={t.then} digest={arrival.digest} /> : <Digest value={arrival.digest} />}
    </Stack>
  );
}

function Labelled({ label, digest }: { label: string; digest: string }) {
  return (
    <Group gap={6} wrap="nowrap">
      <Text size="xs" c="dimmed" w="2.5rem">
        {label}
      </Text>
      <Digest value={digest} />
    </Group>
  );
}

function Platforms({ arrival }: { arrival: Arrival }) {
  const t = useText().land.review;
  const f = useFormat();
  const platforms = (arrival.platforms ?? []).map((p) => (p.absent ? t.absentPlatform(p.platform) : p.platform));
  const referrers = arrival.referrers?.length ?? 0;
  return (
    <>
      <Text size="sm">{platforms.join(", ")}</Text>
      {referrers > 0 && (
        <Text size="xs" c="dimmed">
          {t.referrers(f.count(referrers))}
        </Text>
      )}
    </>
  );
}
