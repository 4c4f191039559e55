import { Anchor, Button, Group, Stack, Text, Tooltip } from "@mantine/core";
import { Link } from "react-router";
import type { Schema } from "../../api/client";
import { useMay } from "../../api/session";
import { DataTable, type Column } from "../../components/DataTable";
import { Trouble } from "../../components/States";
import { useFormat } from "../../format";
import { useText } from "../../text";
import { MirrorState, RunState, useRunMirrors, useSummary, Word } from "./shared";

type Mirror = Schema<"MirroringStatus">;

// MirrorTable lists the mirrors in the order of their file.
export function MirrorTable({ rows }: { rows: Mirror[] }) {
  const t = useText();
  const f = useFormat();
  const may = useMay("mirrors.write");
  const columns: Column<Mirror>[] = [
    { head: t.mirrors.mirror, cell: (m) => <Named mirror={m} /> },
    { head: t.common.state, cell: (m) => <Doing mirror={m} /> },
    {
      head: t.mirrors.next,
      width: "9rem",
      cell: (m) => (
        <Stack gap={0}>
          {m.next && <Text size="sm">{f.time(m.next)}</Text>}
          {!m.onDemand && (
            <Text size="xs" c="dimmed" ff={m.schedule ? "monospace" : undefined}>
              {m.schedule || (m.next ? t.mirrors.whenOpen : t.mirrors.noSchedule)}
            </Text>
          )}
        </Stack>
      ),
    },
    { head: t.mirrors.last, cell: (m) => <LastRun mirror={m} />, width: "9rem" },
  ];
  if (may) columns.push({ head: t.common.actions, cell: (m) => <RunOne mirror={m} />, end: true });
  return <DataTable label={t.mirrors.list} rows={rows} columns={columns} id={(m) => m.name} />;
}

const few = 3;

function Named({ mirror }: { mirror: Mirror }) {
  const t = useText().mirrors;
  const sources = mirror.sources ?? [];
  return (
    <Stack gap={2}>
      <Group gap={6}>
        <Text fw={600} size="sm">
          {mirror.name}
        </Text>
        {mirror.onDemand && (
          <Tooltip label={t.onDemandText}>
            <span tabIndex={0}>
              <Word color="indigo">{t.onDemand}</Word>
            </span>
          </Tooltip>
        )}
        {mirror.offline && (
          <Tooltip label={t.offlineOneText}>
            <span tabIndex={0}>
              <Word color="gray">{t.offlineOne}</Word>
            </span>
          </Tooltip>
        )}
      </Group>
      {sources.slice(0, few).map((s) => (
        <Text key={s} size="xs" c="dimmed" ff="monospace" style={{ overflowWrap: "anywhere" }}>
          {s}
        </Text>
      ))}
      {sources.length > few && (
        <Text size="xs" c="dimmed" title={sources.slice(few).join(", ")}>
          {t.more(String(sources.length - few))}
        </Text>
      )}
      {mirror.problem && (
        <Text size="sm" c="red" style={{ overflowWrap: "anywhere" }}>
          {mirror.problem}
        </Text>
      )}
    </Stack>
  );
}

function Doing({ mirror }: { mirror: Mirror }) {
  const t = useText().mirrors;
  const f = useFormat();
  return (
    <Stack gap={2} align="flex-start">
      <MirrorState state={mirror.state} />
      {mirror.run && (
        <Anchor component={Link} to={`/mirrors/runs/${mirror.run}`} size="sm">
          {t.toRun}
        </Anchor>
      )}
      {mirror.until && (
        <Text size="xs" c="dimmed">
          {t.until(f.time(mirror.until))}
        </Text>
      )}
    </Stack>
  );
}

function LastRun({ mirror }: { mirror: Mirror }) {
  const t = useText().mirrors;
  const f = useFormat();
  const summary = useSummary();
  const run = mirror.last;
  if (!run) {
    return mirror.onDemand ? null : (
      <Text size="sm" c="dimmed">
        {t.never}
      </Text>
    );
  }
  return (
    <Stack gap={2} align="flex-start">
      <RunState state={run.state} />
      <Anchor component={Link} to={`/mirrors/runs/${run.id}`} size="sm">
        {f.time(run.ended ?? run.started)}
      </Anchor>
      <Text size="xs" c="dimmed">
        {summary(run.outcome?.mirrors ?? [], run.state)}
      </Text>
    </Stack>
  );
}

// RunOne starts one mirror, where that means something: what is fetched on demand
// is not copied ahead, and offline nobody is asked.
function RunOne({ mirror }: { mirror: Mirror }) {
  const t = useText().mirrors;
  const run = useRunMirrors();
  if (mirror.onDemand || mirror.offline) return null;
  const busy = mirror.state === "running" || mirror.state === "waiting";
  return (
    <Stack gap="xs" align="flex-end">
      <Button size="xs" variant="default" loading={run.isPending} disabled={busy} onClick={() => run.mutate([mirror.name])} aria-label={t.runOne(mirror.name)}>
        {t.run}
      </Button>
      {run.error && <Trouble error={run.error} />}
    </Stack>
  );
}
