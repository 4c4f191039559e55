import { Alert, Button, Group, List, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { sort, type Sorted } from "../../../bundle/sort";
import { total, transfers, useTransfers, type Transfer } from "../../../bundle/transfers";
import { UploadIcon, WarningIcon } from "../../../components/icons";
import { Section } from "../../../components/Page";
import { Trouble } from "../../../components/States";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import classes from "../land.module.css";
import { FileZone } from "./FileZone";
import { Together } from "./Together";
import { TransferCard } from "./TransferCard";

// Send is where files of this computer are chosen, looked at and sent.
export function Send() {
  const t = useText().land.send;
  const list = useTransfers();
  const [strangers, setStrangers] = useState<Sorted["strangers"]>([]);
  const [error, setError] = useState<unknown>();
  const take = async (files: File[]) => {
    setError(undefined);
    try {
      const sorted = await sort(files);
      setStrangers(sorted.strangers);
      transfers.choose(sorted.cargos);
    } catch (e) {
      setError(e);
    }
  };
  return (
    <Section title={t.title} about={t.about}>
      <Stack>
        <FileZone take={take} />
        {error !== undefined && <Trouble error={error} title={t.unreadable} />}
        {strangers.length > 0 && <Strangers strangers={strangers} close={() => setStrangers([])} />}
        <SendAll transfers={list.filter((x) => x.state === "chosen")} />
        <Together transfers={list} />
        {list.length > 0 && (
          <Stack component="ul" className={classes.list}>
            {list.map((transfer) => (
              <TransferCard key={transfer.id} transfer={transfer} />
            ))}
          </Stack>
        )}
      </Stack>
    </Section>
  );
}

function SendAll({ transfers: chosen }: { transfers: Transfer[] }) {
  const t = useText().land.cargo;
  const f = useFormat();
  if (chosen.length < 2) return null;
  const size = chosen.reduce((sum, s) => sum + total(s).size, 0);
  return (
    <Group>
      <Button size="md" leftSection={<UploadIcon size={18} />} onClick={() => chosen.forEach((s) => transfers.start(s.id))}>
        {t.sendAll(f.count(chosen.length), f.bytes(size))}
      </Button>
    </Group>
  );
}

function Strangers({ strangers, close }: { strangers: Sorted["strangers"]; close: () => void }) {
  const text = useText();
  const t = text.land.send;
  return (
    <Alert color="yellow" icon={<WarningIcon />} title={t.strangers} withCloseButton closeButtonLabel={text.common.close} onClose={close} role="status">
      <List size="sm">
        {strangers.map(({ file, why }, k) => (
          <List.Item key={k}>
            <Text span size="sm" fw={600} style={{ overflowWrap: "anywhere" }}>
              {file.name}
            </Text>{" "}
            {t.why[why]}
          </List.Item>
        ))}
      </List>
    </Alert>
  );
}
