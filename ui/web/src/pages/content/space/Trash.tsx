import { Button, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { ask, client } from "../../../api/client";
import { useMay } from "../../../api/session";
import { Facts } from "../../../components/Facts";
import { RefreshIcon } from "../../../components/icons";
import { Section } from "../../../components/Page";
import { Trouble } from "../../../components/States";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import type { Stats } from "./index";

// Trash is what collections took out and nobody has erased yet: all of it can be
// brought back.
export function Trash({ stats: s }: { stats: Stats }) {
  const t = useText().content.space;
  const f = useFormat();
  const may = useMay("content.write");
  const cache = useQueryClient();
  const undo = useMutation({
    mutationFn: () => ask(client.POST("/api/v1/content/undo")),
    onSuccess: () => Promise.all([cache.invalidateQueries({ queryKey: ["stats"] }), cache.invalidateQueries({ queryKey: ["content"] })]),
  });
  const back = undo.data;
  return (
    <Section
      title={t.trash}
      about={t.trashText}
      actions={
        may && (
          <Button variant="default" leftSection={<RefreshIcon size={16} />} loading={undo.isPending} onClick={() => undo.mutate()}>
            {t.undo}
          </Button>
        )
      }
    >
      <Stack gap="sm">
        <Facts
          items={[
            [t.inTrash, s.trashBlobs === 0 ? t.trashEmpty : t.trashed(f.bytes(s.trashBytes), f.count(s.trashBlobs))],
            [t.stored, t.storedIn(f.bytes(s.blobBytes), f.count(s.blobs))],
            [t.free, f.bytes(s.freeBytes)],
          ]}
        />
        {back && (
          <Text size="sm" role="status">
            {back.tags + back.manifests + back.blobs === 0 ? t.undoneNothing : t.undone(f.count(back.tags), f.count(back.manifests), f.count(back.blobs))}
          </Text>
        )}
        {undo.error && <Trouble error={undo.error} />}
      </Stack>
    </Section>
  );
}
