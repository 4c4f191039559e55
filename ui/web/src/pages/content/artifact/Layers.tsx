import { Badge, Text } from "@mantine/core";
import type { Schema } from "../../../api/client";
import { Digest } from "../../../components/Copy";
import { DataTable, type Column } from "../../../components/DataTable";
import { Section } from "../../../components/Page";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import type { Artifact } from "./index";

type Blob = Schema<"Blob">;

// As many as the appliance counts.
const counted = 100;

// Layers are what it is made of, with who else at the site has them.
export function Layers({ artifact: a }: { artifact: Artifact }) {
  const t = useText();
  const f = useFormat();
  const rows = (a.layers ?? []).map((blob, k) => ({ blob, n: k + 1 }));
  if (rows.length === 0) return null;
  const columns: Column<{ blob: Blob; n: number }>[] = [
    { head: t.content.layerNumber, cell: (r) => f.count(r.n), width: "3rem", end: true },
    { head: t.content.digest, cell: (r) => <Digest value={r.blob.digest} /> },
    { head: t.content.mediaType, cell: (r) => <LayerType blob={r.blob} />, wide: true },
    { head: t.common.size, cell: (r) => f.bytes(r.blob.size), end: true },
    { head: t.content.sharing, cell: (r) => <Shared blob={r.blob} /> },
  ];
  return (
    <Section title={t.content.layers(rows.length, f.count(rows.length))} about={t.content.layersText}>
      <DataTable label={t.content.layers(rows.length, f.count(rows.length))} rows={rows} columns={columns} id={(r) => String(r.n)} />
    </Section>
  );
}

function LayerType({ blob }: { blob: Blob }) {
  const title = blob.annotations?.["org.opencontainers.image.title"];
  return (
    <>
      {title && <Text size="sm">{title}</Text>}
      <Text size="sm" c="dimmed" style={{ overflowWrap: "anywhere" }}>
        {blob.mediaType}
      </Text>
    </>
  );
}

function Shared({ blob }: { blob: Blob }) {
  const t = useText().content;
  const f = useFormat();
  if (blob.damaged) return <Badge color="red" style={{ textTransform: "none" }}>{t.damagedShort}</Badge>;
  if (!blob.present) return <Badge color="gray" variant="light" style={{ textTransform: "none" }}>{t.notHere}</Badge>;
  if (blob.manifests <= 1) return t.onlyThis;
  const many = (n: number) => (n >= counted ? t.atLeast(f.count(n)) : f.count(n));
  return t.sharedBy(many(blob.manifests), many(blob.repositories), blob.repositories);
}
