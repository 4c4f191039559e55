import { Badge, Button, Menu, ActionIcon, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { ask, client, type Schema } from "../../../api/client";
import { useMay } from "../../../api/session";
import { useConfirm } from "../../../components/Confirm";
import { Digest } from "../../../components/Copy";
import { DataTable, type Column } from "../../../components/DataTable";
import { KeyIcon, MoreIcon, PlusIcon } from "../../../components/icons";
import { Section } from "../../../components/Page";
import { Empty, Shown } from "../../../components/States";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import { AddKey } from "./AddKey";
import { removeKey } from "./policyText";
import { RevokeKey } from "./RevokeKey";
import { useChangePolicy } from "./usePolicy";

export type Key = Schema<"TrustedKey">;

// Keys lists whose signatures count.
export function Keys() {
  const t = useText().settings.trust;
  const may = useMay("trust.write");
  const [adding, setAdding] = useState(false);
  const [revoking, setRevoking] = useState<Key>();
  const query = useQuery({ queryKey: ["trust", "keys"], queryFn: () => ask(client.GET("/api/v1/trust/keys")) });
  const add = may && (
    <Button leftSection={<PlusIcon size={16} />} onClick={() => setAdding(true)}>
      {t.addKey}
    </Button>
  );
  return (
    <Section title={t.keys} about={t.keysAbout} actions={add}>
      <Shown query={query}>
        {(keys) =>
          keys && keys.length > 0 ? (
            <KeyTable keys={keys} may={may} revoke={setRevoking} />
          ) : (
            <Empty icon={<KeyIcon />} title={t.noKeys}>
              {t.noKeysText}
            </Empty>
          )
        }
      </Shown>
      {may && <AddKey opened={adding} close={() => setAdding(false)} />}
      {may && <RevokeKey of={revoking} close={() => setRevoking(undefined)} />}
    </Section>
  );
}

function KeyTable({ keys, may, revoke }: { keys: Key[]; may: boolean; revoke: (key: Key) => void }) {
  const t = useText();
  const words = t.settings.trust;
  const columns: Column<Key>[] = [
    { head: words.owner, cell: (k) => <Text fw={500} size="sm" style={{ overflowWrap: "anywhere" }}>{k.owner}</Text> },
    { head: words.id, cell: (k) => <Digest value={k.id} /> },
    { head: t.common.kind, cell: (k) => <Text size="sm">{k.kind}</Text>, wide: true },
    { head: words.valid, cell: (k) => <Validity of={k} /> },
  ];
  if (may) columns.push({ head: t.common.actions, end: true, cell: (k) => <KeyActions of={k} revoke={revoke} /> });
  return <DataTable label={words.keys} rows={keys} columns={columns} id={(k) => k.id} />;
}

function Validity({ of: key }: { of: Key }) {
  const t = useText().settings.trust;
  const f = useFormat();
  const style = { textTransform: "none", height: "auto", whiteSpace: "normal" } as const;
  if (key.revoked) {
    return (
      <Badge color="red" variant="light" style={style}>
        {t.revoked(key.revoked)}
      </Badge>
    );
  }
  const now = Date.now();
  if (key.notAfter && Date.parse(key.notAfter) < now) {
    return (
      <Badge color="orange" variant="light" style={style}>
        {t.expired(f.date(key.notAfter))}
      </Badge>
    );
  }
  if (key.notBefore && Date.parse(key.notBefore) > now) return <Text size="sm">{t.from(f.date(key.notBefore))}</Text>;
  return <Text size="sm">{key.notAfter ? t.until(f.date(key.notAfter)) : t.forever}</Text>;
}

function KeyActions({ of: key, revoke }: { of: Key; revoke: (key: Key) => void }) {
  const t = useText();
  const words = t.settings.trust;
  const confirm = useConfirm();
  const change = useChangePolicy();
  const remove = () => confirm({ title: words.removeTitle(key.owner), destroys: words.removeText, action: t.common.remove, undo: true, act: () => change((text) => removeKey(text, key.pem)) });
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={t.common.actionsFor(key.owner)}>
          <MoreIcon size={18} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {!key.revoked && <Menu.Item onClick={() => revoke(key)}>{words.revoke}</Menu.Item>}
        <Menu.Item color="red" onClick={remove}>
          {t.common.remove}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
