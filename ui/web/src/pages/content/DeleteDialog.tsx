import { Alert, Button, Group, List, Modal, Stack, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { Trouble, Loading } from "../../components/States";
import { useFormat } from "../../format";
import { useText } from "../../text";
import { Lost } from "./Lost";
import { shortName } from "./names";
import { titles } from "./titles";
import { atOnce, useDeletion, useLosses, type Consequences, type Loss } from "./deletion";

type Props = { names: string[]; close: () => void; done: () => void };

// DeleteDialog says what the deletion of names leads to before it is done.
export function DeleteDialog({ names, close, done }: Props) {
  const t = useText().content.remove;
  const f = useFormat();
  const [only] = names;
  const title = names.length === 1 && only ? t.title(shortName(only)) : t.titleMany(f.count(names.length));
  return (
    <Modal opened onClose={close} title={title} size="lg" styles={titles}>
      {names.length > atOnce ? <TooMany close={close} /> : <Asked names={names} close={close} done={done} />}
    </Modal>
  );
}

function TooMany({ close }: { close: () => void }) {
  const t = useText();
  const f = useFormat();
  return (
    <Stack>
      <Alert color="yellow">{t.content.remove.tooMany(f.count(atOnce))}</Alert>
      <Group justify="flex-end">
        <Button variant="default" onClick={close}>
          {t.common.close}
        </Button>
      </Group>
    </Stack>
  );
}

function Asked({ names, close, done }: Props) {
  const t = useText();
  const f = useFormat();
  const query = useLosses(names);
  const deletion = useDeletion();
  const losses = query.data ?? [];
  const possible = losses.flatMap((l) => (l.consequences && !l.consequences.refused ? [l.consequences] : []));
  const act = async () => {
    const result = await deletion.remove(possible);
    if (result.gone > 0) notifications.show({ color: "teal", message: t.content.remove.done(result.gone, f.count(result.gone)) });
    if (result.failed > 0) return;
    done();
    close();
  };
  return (
    <Stack>
      {query.isPending && <Loading />}
      {query.error && <Trouble error={query.error} again={() => void query.refetch()} />}
      {query.data && (names.length === 1 ? <Lost loss={losses[0]} /> : <LostMany losses={losses} possible={possible} />)}
      {possible.length > 0 && <Alert color="orange">{t.content.remove.noUndo}</Alert>}
      {deletion.failed.map((l) => (
        <Trouble key={l.name} error={l.error} title={l.name} />
      ))}
      <Group justify="flex-end">
        <Button variant="default" onClick={close} data-autofocus>
          {t.common.cancel}
        </Button>
        <Button color="red" loading={deletion.busy} disabled={possible.length === 0 || deletion.failed.length > 0} onClick={() => void act()}>
          {possible.length > 1 ? t.content.remove.actMany(f.count(possible.length)) : t.common.delete}
        </Button>
      </Group>
    </Stack>
  );
}

function LostMany({ losses, possible }: { losses: Loss[]; possible: Consequences[] }) {
  const t = useText().content.remove;
  const f = useFormat();
  const refused = losses.filter((l) => !l.consequences || l.consequences.refused);
  const bytes = possible.reduce((sum, c) => sum + c.bytes, 0);
  const breaks = [...new Set(possible.flatMap((c) => c.breaks ?? []))];
  return (
    <Stack gap="sm">
      {possible.length > 0 && (
        <>
          <Text size="sm">{t.goMany(f.count(possible.length))}</Text>
          <Names names={possible.map((c) => c.name)} />
          <Text size="sm">{t.freesMany(f.bytes(bytes))}</Text>
        </>
      )}
      {breaks.length > 0 && (
        <Alert color="orange" title={t.breaks}>
          <Names names={breaks} />
        </Alert>
      )}
      {refused.length > 0 && (
        <Alert color="yellow" title={t.staying(refused.length, f.count(refused.length))}>
          <List size="sm">
            {refused.map((l) => (
              <List.Item key={l.name} style={{ overflowWrap: "anywhere" }}>
                {l.consequences?.refused ?? (l.error instanceof Error ? `${l.name}: ${l.error.message}` : l.name)}
              </List.Item>
            ))}
          </List>
        </Alert>
      )}
    </Stack>
  );
}

function Names({ names }: { names: string[] }) {
  return (
    <List size="sm" style={{ maxHeight: 220, overflowY: "auto" }} tabIndex={0}>
      {names.map((n) => (
        <List.Item key={n} style={{ overflowWrap: "anywhere" }}>
          {n}
        </List.Item>
      ))}
    </List>
  );
}
