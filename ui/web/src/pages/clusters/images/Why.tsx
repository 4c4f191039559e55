import { Card, Drawer, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { ask, client, type Schema } from "../../../api/client";
import { Digest } from "../../../components/Copy";
import { Facts } from "../../../components/Facts";
import { NameLink } from "../../../components/Names";
import { Shown } from "../../../components/States";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import { all } from "../queries";
import { useSure } from "./useSure";

type Image = Schema<"DefinitionImage">;

// Why shows beside the list for which reasons an image is there.
export function Why({ reference, image, close }: { reference: string; image?: string; close: () => void }) {
  const t = useText();
  const [last, setLast] = useState(image); // stays while the drawer goes
  if (image !== undefined && image !== last) setLast(image);
  return (
    <Drawer
      opened={image !== undefined}
      onClose={close}
      position="right"
      size="xl"
      title={t.clusters.images.why(last ?? "")}
      styles={{ title: { fontWeight: 650, overflowWrap: "anywhere" } }}
      closeButtonProps={{ "aria-label": t.common.close }}
    >
      {last !== undefined && <Asked reference={reference} image={last} />}
    </Drawer>
  );
}

function Asked({ reference, image }: { reference: string; image: string }) {
  const query = useQuery({
    queryKey: [...all, "why", reference, image],
    queryFn: async () => (await ask(client.GET("/api/v1/definitions/why", { params: { query: { name: reference, image } } }))) ?? [],
  });
  return (
    <Shown query={query}>
      {(images) => (
        <Stack>
          {images.map((i) => (
            <Reasons key={i.name + i.digest} image={i} />
          ))}
        </Stack>
      )}
    </Shown>
  );
}

function Reasons({ image: i }: { image: Image }) {
  const text = useText().clusters;
  const t = text.images;
  const f = useFormat();
  const sure = useSure();
  return (
    <Stack gap="sm">
      <Facts
        items={[
          [text.digest, <Digest key="digest" value={i.digest} />],
          [text.platforms, f.list(i.platforms ?? [])],
          [t.sure, sure(i)],
          [t.image, <NameLink key="name" name={i.name} />],
        ]}
      />
      <Text fw={600}>{t.reasons}</Text>
      {(i.why ?? []).map((r, k) => (
        <Card key={k} padding="sm">
          <Facts
            items={[
              [t.layer, r.layer],
              [t.chart, r.chart],
              [t.set, r.set],
              [t.file, r.file && r.file + (r.line ? `:${r.line}` : "")],
              [t.object, r.object],
              [t.field, r.field],
              [t.rule, `${r.rule} (${t.sureness[r.sure] ?? r.sure})`],
            ]}
          />
        </Card>
      ))}
    </Stack>
  );
}
