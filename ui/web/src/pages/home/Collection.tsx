import { Button, Group, Loader, Stack, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ask, client, keyed } from "../../api/client";
import { useMay } from "../../api/session";
import { useConfirm } from "../../components/Confirm";
import { Facts } from "../../components/Facts";
import { Trouble } from "../../components/States";
import { useFormat } from "../../format";
import { useText } from "../../text";
import { previewCollection, type Amount, type Preview } from "./preview";

const key = ["collection"];

// Collection says what a collection would free. All content is looked through for
// that, so only when somebody asks.
export function Collection() {
  const t = useText().home.storage;
  const [asked, setAsked] = useState(false);
  const cache = useQueryClient();
  const query = useQuery({ queryKey: key, queryFn: ({ signal }) => previewCollection(signal), enabled: asked, staleTime: 0, gcTime: 0, refetchOnWindowFocus: false });
  const forget = () => {
    setAsked(false);
    cache.removeQueries({ queryKey: key });
  };
  const again = () => (asked ? void query.refetch() : setAsked(true));
  const told = asked ? query.data : undefined;
  return (
    <Stack gap="sm" aria-live="polite">
      {!told && (
        <Group>
          <Button variant="default" loading={query.isFetching} onClick={again}>
            {t.preview}
          </Button>
        </Group>
      )}
      {query.isFetching && !told && (
        <Group gap="xs">
          <Loader size="xs" aria-hidden="true" />
          <Text size="sm" c="dimmed">
            {t.previewing}
          </Text>
        </Group>
      )}
      {asked && query.error && !query.isFetching && <Trouble error={query.error} again={again} />}
      {told && <Told preview={told} forget={forget} />}
    </Stack>
  );
}

// Told is the answer; a collection makes it an old one.
function Told({ preview, forget }: { preview: Preview; forget: () => void }) {
  const t = useText().home.storage;
  const f = useFormat();
  const may = useMay("content.delete");
  const confirm = useConfirm();
  const cache = useQueryClient();
  const items = (a: Amount) => t.items(f.count(a.blobs), f.count(a.manifests));
  const { out, trash } = preview;
  const some = out.blobs + out.manifests > 0;
  const collect = async () => {
    await ask(client.POST("/api/v1/content/collect", { params: keyed(), body: {} }));
    notifications.show({ color: "teal", message: t.collecting });
    forget();
    await cache.invalidateQueries({ queryKey: ["jobs"] });
  };
  return (
    <Stack gap="xs">
      <Text fw={600} size="sm">
        {t.preview}
      </Text>
      {!some && <Text size="sm">{t.nothing}</Text>}
      <Facts
        items={[
          [t.out, some && t.sized(f.bytes(out.bytes), items(out))],
          [t.waiting, trash.blobs + trash.manifests > 0 && t.sized(f.bytes(trash.bytes), items(trash))],
        ]}
      />
      {(some || trash.bytes > 0) && (
        <Text size="sm" c="dimmed">
          {t.frees}
        </Text>
      )}
      {some && may && (
        <Group>
          <Button variant="default" onClick={() => confirm({ title: t.collectTitle, destroys: t.collectText(f.bytes(out.bytes), items(out)), undo: true, action: t.collect, act: collect })}>
            {t.collect}
          </Button>
        </Group>
      )}
    </Stack>
  );
}
