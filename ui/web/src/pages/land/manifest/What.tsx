import { List } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { ask, client, type Schema } from "../../../api/client";
import { useMay } from "../../../api/session";
import { Digest } from "../../../components/Copy";
import { Facts } from "../../../components/Facts";
import { useFormat } from "../../../format";
import { useText } from "../../../text";

type Inspection = Schema<"Inspection">;

// What are the facts of a bundle or an archive.
export function What({ seen, from }: { seen: Inspection; from?: string }) {
  const text = useText();
  const t = text.land.review;
  const f = useFormat();
  return (
    <Facts
      items={[
        [t.from, from],
        [text.common.kind, text.land.kind[seen.kind] ?? seen.kind],
        [t.created, seen.created && f.time(seen.created)],
        [t.channel, seen.channel && (seen.sequence ? t.place(seen.channel, f.count(seen.sequence)) : seen.channel)],
        [t.expires, seen.expires && <Until time={seen.expires} />],
        [t.madeFor, seen.for && <Site id={seen.for} />],
        [t.thin, seen.thin && t.thinText],
        [t.signatures, seen.kind === "bundle" && <Signatures keys={seen.signatures ?? []} />],
        [t.file, f.bytes(seen.size)],
        [t.content, t.contentOf(f.bytes(seen.content), f.count(seen.blobs), f.count(seen.manifests))],
        [t.id, <Digest key="id" value={seen.id} />],
      ]}
    />
  );
}

function Until({ time }: { time: string }) {
  const t = useText().land.review;
  const f = useFormat();
  return Date.parse(time) < Date.now() ? t.expired(f.time(time)) : `${f.time(time)} (${f.relative(time)})`;
}

// Site tells this site from others.
function Site({ id }: { id: string }) {
  const t = useText().land.review;
  const may = useMay("content.read");
  const here = useQuery({ queryKey: ["site"], queryFn: () => ask(client.GET("/api/v1/site")), enabled: may, staleTime: Infinity });
  return here.data?.id === id ? t.thisSite : <Digest value={id} />;
}

function Signatures({ keys }: { keys: Schema<"KeyOf">[] }) {
  const t = useText().land.review;
  if (keys.length === 0) return t.noSignature;
  return (
    <List listStyleType="none">
      {keys.map((k) => (
        <List.Item key={k.id}>{k.owner ? t.keyOwner(k.owner, k.id.slice(0, 8)) : t.keyUnknown(k.id.slice(0, 8))}</List.Item>
      ))}
    </List>
  );
}
