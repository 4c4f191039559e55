import { Accordion, Alert, Badge, Button, Group, Stack, Switch, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ask, client, type Schema } from "../../api/client";
import { useConfirm } from "../../components/Confirm";
import { DataTable, type Column } from "../../components/DataTable";
import { useFormat } from "../../format";
import { useText } from "../../text";

type Retained = Schema<"Retained">;
type Tag = Schema<"RetainedTag">;

const going = (r: Schema<"RetainedRepository">) => (r.tags ?? []).filter((tag) => !tag.keep);

// Plan shows what a policy would remove, by repository and with the reason of each
// tag, and does so when it is the policy in force.
export function Plan({ result, applicable, done }: { result: Retained; applicable: boolean; done: () => void }) {
  const t = useText().settings.retention;
  const f = useFormat();
  const [kept, setKept] = useState(false);
  const repositories = (result.repositories ?? []).filter((r) => kept || going(r).length > 0);
  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Text fw={500}>{result.removed > 0 ? t.removes(f.count(result.removed)) : t.removesNothing}</Text>
        <Switch label={t.showKept} checked={kept} onChange={(e) => setKept(e.currentTarget.checked)} />
      </Group>
      {result.removed > 0 && !applicable && <Alert color="blue">{t.saveFirst}</Alert>}
      <Accordion multiple variant="separated" order={3}>
        {repositories.map((r) => (
          <Accordion.Item key={r.repository} value={r.repository}>
            <Accordion.Control>
              <Group gap="xs" style={{ overflowWrap: "anywhere" }}>
                {r.repository}
                <Badge variant="light" color={going(r).length > 0 ? "orange" : "gray"} style={{ textTransform: "none" }}>
                  {t.goes(f.count(going(r).length), f.count(r.tags?.length ?? 0))}
                </Badge>
              </Group>
            </Accordion.Control>
            <Accordion.Panel>
              <Tags label={r.repository} tags={kept ? (r.tags ?? []) : going(r)} />
            </Accordion.Panel>
          </Accordion.Item>
        ))}
      </Accordion>
      {applicable && result.removed > 0 && <Apply removed={result.removed} done={done} />}
    </Stack>
  );
}

function Tags({ label, tags }: { label: string; tags: Tag[] }) {
  const t = useText().settings.retention;
  const columns: Column<Tag>[] = [
    { head: t.tag, cell: (tag) => <Text size="sm" ff="monospace" style={{ overflowWrap: "anywhere" }}>{tag.tag}</Text> },
    { head: t.fate, cell: (tag) => (tag.keep ? t.stays : <Text size="sm" fw={600}>{t.removed}</Text>) },
    { head: t.reason, cell: (tag) => <Text size="sm">{tag.reason}</Text> },
  ];
  return <DataTable label={label} rows={tags} columns={columns} id={(tag) => tag.tag} />;
}

function Apply({ removed, done }: { removed: number; done: () => void }) {
  const t = useText().settings.retention;
  const f = useFormat();
  const confirm = useConfirm();
  const cache = useQueryClient();
  const apply = async () => {
    const now = await ask(client.POST("/api/v1/content/retain", { body: { dryRun: false } }));
    notifications.show({ color: "teal", message: t.applied(f.count(now.removed)) });
    done();
    await cache.invalidateQueries({ queryKey: ["content"] });
    await cache.invalidateQueries({ queryKey: ["stats"] });
  };
  return (
    <Group justify="flex-end">
      <Button color="red" onClick={() => confirm({ title: t.applyTitle, destroys: t.applyText(f.count(removed)), action: t.apply, undo: true, act: apply })}>
        {t.apply}
      </Button>
    </Group>
  );
}
