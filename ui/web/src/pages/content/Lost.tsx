import { Alert, List, Stack, Text } from "@mantine/core";
import { Trouble } from "../../components/States";
import { useFormat } from "../../format";
import { useText } from "../../text";
import type { Consequences, Loss } from "./deletion";

// Lost says what the deletion of one name leads to.
export function Lost({ loss }: { loss: Loss | undefined }) {
  const t = useText().content.remove;
  if (!loss?.consequences) return <Trouble error={loss?.error} />;
  const c = loss.consequences;
  if (c.refused) {
    return (
      <Alert color="yellow" title={t.refused}>
        <Text size="sm" style={{ overflowWrap: "anywhere" }}>
          {c.refused}
        </Text>
        {c.pinnedBy && <Text size="sm">{t.pinned(c.pinnedBy)}</Text>}
      </Alert>
    );
  }
  return (
    <Stack gap="sm">
      <What c={c} />
      <Frees c={c} />
      {!!c.breaks?.length && (
        <Alert color="orange" title={t.breaks}>
          <Items items={c.breaks} />
        </Alert>
      )}
      {!!c.companions?.length && (
        <Alert color="yellow" title={t.companions}>
          <Items items={c.companions} />
        </Alert>
      )}
    </Stack>
  );
}

function What({ c }: { c: Consequences }) {
  const t = useText().content.remove;
  const tags = c.tags ?? [];
  if (!c.name.includes("@")) return <Text size="sm">{t.tagGoes}</Text>;
  return (
    <>
      <Text size="sm">{tags.length > 0 ? t.manifestGoesWith : t.manifestGoes}</Text>
      {tags.length > 0 && <Items items={tags} />}
    </>
  );
}

// Frees says what room there will be, or why there will be none.
function Frees({ c }: { c: Consequences }) {
  const t = useText().content.remove;
  const f = useFormat();
  if (c.kept) return <Text size="sm">{c.kept === c.digest ? t.keptItself : t.keptBy(c.kept)}</Text>;
  return (
    <Text size="sm">
      {t.frees(f.bytes(c.bytes), f.count(c.manifests), f.count(c.blobs))} {c.more && t.more}
    </Text>
  );
}

function Items({ items }: { items: string[] }) {
  return (
    <List size="sm">
      {items.map((i) => (
        <List.Item key={i} style={{ overflowWrap: "anywhere" }}>
          {i}
        </List.Item>
      ))}
    </List>
  );
}
