import { Alert, Button, Progress, Stack, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "react-router";
import { ask, client, keyed } from "../../../api/client";
import { useMay } from "../../../api/session";
import { Facts } from "../../../components/Facts";
import { RefreshIcon } from "../../../components/icons";
import { Section } from "../../../components/Page";
import { Trouble } from "../../../components/States";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import { Damaged } from "./Damaged";
import { damageOf, type Damage } from "./damage";
import type { Stats } from "./index";

// Scrub proves every byte of the store: how the last pass ended, and what is damaged.
export function Scrub({ stats: s }: { stats: Stats }) {
  const t = useText().content.space;
  const f = useFormat();
  const { scrub } = s;
  const found = useFound(s.damaged > 0);
  return (
    <Section title={t.scrub} about={t.scrubText} actions={<Start />}>
      <Stack gap="sm">
        {scrub.running && (
          <Stack gap={4}>
            <Progress value={scrub.totalBytes > 0 ? Math.min(100, (100 * scrub.bytes) / scrub.totalBytes) : 0} aria-label={t.scrubbing} />
            <Text size="sm" c="dimmed">
              {t.scrubbed(f.bytes(scrub.bytes), f.bytes(scrub.totalBytes))}
            </Text>
          </Stack>
        )}
        <Facts
          items={[
            [t.scrubStarted, scrub.started ? f.time(scrub.started) : t.scrubNever],
            [t.scrubFinished, scrub.finished && f.time(scrub.finished)],
            [t.scrubRead, scrub.started && t.storedIn(f.bytes(scrub.bytes), f.count(scrub.blobs))],
            [t.damaged, s.damaged === 0 ? t.damagedNone : f.count(s.damaged)],
          ]}
        />
        {s.damaged > 0 && (
          <Alert color="red" title={t.damagedTitle(s.damaged, f.count(s.damaged))}>
            {t.damagedText}
          </Alert>
        )}
        {found && found.length > 0 && <Damaged damages={found} />}
      </Stack>
    </Section>
  );
}

// useFound is what the last scrub that ended has found: all that is damaged, whoever
// found it.
function useFound(wanted: boolean) {
  const may = useMay("jobs.read");
  const query = useQuery({ queryKey: ["jobs", "damage"], queryFn: lastDamage, enabled: wanted && may });
  return query.data;
}

// A scrub that another one took over from has no result of its own.
async function lastDamage(): Promise<Damage[]> {
  const { items } = await ask(client.GET("/api/v1/jobs", { params: { query: { kind: "scrub", state: "done", limit: 5 } } }));
  for (const { id } of items ?? []) {
    const job = await ask(client.GET("/api/v1/jobs/{id}", { params: { path: { id } } }));
    const damage = damageOf(job.result);
    if (damage) return damage;
  }
  return [];
}

function Start() {
  const t = useText();
  const may = useMay("content.write");
  const cache = useQueryClient();
  const start = useMutation({
    mutationFn: () => ask(client.POST("/api/v1/content/scrub", { params: keyed(), body: {} })),
    onSuccess: (job) => {
      notifications.show({ color: "teal", title: t.content.space.scrubStart, message: <Link to={`/jobs/${job.id}`}>{t.common.details}</Link> });
      void cache.invalidateQueries({ queryKey: ["jobs"] });
      return cache.invalidateQueries({ queryKey: ["stats"] });
    },
  });
  if (!may) return null;
  return (
    <>
      <Button variant="default" leftSection={<RefreshIcon size={16} />} loading={start.isPending} onClick={() => start.mutate()}>
        {t.content.space.scrubNow}
      </Button>
      {start.error && <Trouble error={start.error} />}
    </>
  );
}
