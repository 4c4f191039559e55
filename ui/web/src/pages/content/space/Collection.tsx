import { Button, Group, Stack, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { ask, client, keyed } from "../../../api/client";
import { useMay } from "../../../api/session";
import { TrashIcon } from "../../../components/icons";
import { Section } from "../../../components/Page";
import { Shown } from "../../../components/States";
import { useText } from "../../../text";
import { useConfirm } from "../../../components/Confirm";
import { previewCollection } from "./preview";
import { PreviewView } from "./PreviewView";

// Collection takes out what nothing keeps, and shows before what that would be.
export function Collection() {
  const t = useText().content.space;
  const may = useMay("content.delete");
  const [asked, setAsked] = useState(false);
  const preview = useQuery({ queryKey: ["content", "preview"], queryFn: ({ signal }) => previewCollection(signal), enabled: asked, staleTime: Infinity, gcTime: 0 });
  return (
    <Section title={t.collection} about={t.collectionText}>
      <Stack>
        <Group gap="xs">
          <Button variant="default" loading={asked && preview.isFetching} onClick={() => (asked ? void preview.refetch() : setAsked(true))}>
            {t.preview}
          </Button>
          {may && <Collect />}
        </Group>
        {asked && <Shown query={preview}>{(p) => <PreviewView preview={p} />}</Shown>}
      </Stack>
    </Section>
  );
}

function Collect() {
  const t = useText();
  const confirm = useConfirm();
  const cache = useQueryClient();
  const start = async (body: { now?: boolean; retain?: boolean }) => {
    const job = await ask(client.POST("/api/v1/content/collect", { params: keyed(), body }));
    notifications.show({ color: "teal", title: t.content.space.collectStarted, message: <Link to={`/jobs/${job.id}`}>{t.common.details}</Link> });
    return cache.invalidateQueries({ queryKey: ["jobs"] });
  };
  const { collectNow, collectNowTitle, collectNowText, collectNowType, collectTitle, collectText, collect } = t.content.space;
  return (
    <>
      <Button leftSection={<TrashIcon size={16} />} onClick={() => confirm({ title: collectTitle, destroys: <Text size="sm">{collectText}</Text>, action: collect, undo: true, act: () => start({}) })}>
        {collect}
      </Button>
      <Button variant="light" color="red" onClick={() => confirm({ title: collectNowTitle, destroys: <Text size="sm">{collectNowText}</Text>, action: collectNow, type: collectNowType, act: () => start({ now: true }) })}>
        {collectNow}
      </Button>
    </>
  );
}
