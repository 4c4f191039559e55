import { Badge, Button, Group, Stack, Text } from "@mantine/core";
import { Link } from "react-router";
import { transfers, total, type Transfer } from "../../../bundle/transfers";
import { useConfirm } from "../../../components/Confirm";
import { CheckIcon, CloseIcon, FileIcon, LandIcon, RefreshIcon, UploadIcon } from "../../../components/icons";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import classes from "../land.module.css";
import { reviewPath } from "../review/source";
import { useLook } from "./look";
import { Preview } from "./Preview";
import { isRefused, Progressing } from "./Progressing";

// TransferCard is cargo from this computer: what it is, how far it is, and what to do
// with it next.
export function TransferCard({ transfer }: { transfer: Transfer }) {
  return (
    <Stack component="li" gap="sm" mb="sm" className={classes.cargo}>
      <Head transfer={transfer} />
      {transfer.state === "chosen" ? <Preview cargo={transfer.cargo} /> : <Progressing transfer={transfer} />}
      <Actions transfer={transfer} />
    </Stack>
  );
}

function Head({ transfer }: { transfer: Transfer }) {
  const t = useText().land;
  const f = useFormat();
  const { cargo } = transfer;
  const facts = [f.bytes(total(transfer).size), cargo.cut && t.cargo.parts(f.count(cargo.files.length)), cargo.signatures.length > 0 && t.cargo.signatures(f.list(cargo.signatures.map((s) => s.name)))];
  return (
    <Group gap="sm" wrap="nowrap" align="flex-start">
      <FileIcon size={28} />
      <div className={classes.grow}>
        <Group gap="xs">
          <Text fw={600} style={{ overflowWrap: "anywhere" }}>
            {cargo.name}
          </Text>
          <Badge variant="light" color="gray" style={{ textTransform: "none" }}>
            {t.kind[cargo.kind]}
          </Badge>
        </Group>
        <Text size="sm" c="dimmed" style={{ overflowWrap: "anywhere" }}>
          {facts.filter(Boolean).join(" · ")}
        </Text>
      </div>
    </Group>
  );
}

function Actions({ transfer }: { transfer: Transfer }) {
  const t = useText().land;
  const { id, cargo, state } = transfer;
  const name = cargo.name;
  const drop = (label: string) => (
    <Button variant="default" leftSection={<CloseIcon size={16} />} aria-label={`${label}: ${name}`} onClick={() => transfers.drop(id)}>
      {label}
    </Button>
  );
  return (
    <Group>
      {state === "chosen" && <Start transfer={transfer} />}
      {state === "chosen" && drop(t.cargo.putBack)}
      {(state === "queued" || state === "sending") && <Cancel transfer={transfer} />}
      {state === "failed" && (
        <>
          {!transfer.files.some((f) => isRefused(f.error)) && (
            <Button leftSection={<RefreshIcon size={16} />} onClick={() => transfers.start(id)}>
              {t.transfer.again}
            </Button>
          )}
          {drop(t.transfer.dismiss)}
        </>
      )}
      {state === "whole" && <Whole transfer={transfer} />}
      {state === "whole" && drop(t.transfer.dismiss)}
    </Group>
  );
}

// Start sends it. Where it is known that nothing of it would land, that is not what one
// is led to.
function Start({ transfer }: { transfer: Transfer }) {
  const t = useText().land.cargo;
  const f = useFormat();
  const { outline, inspection } = useLook(transfer.cargo);
  const seen = inspection.data;
  const useless = !!outline.error || (!!seen?.refused && !seen.overridable);
  const label = t.send(f.bytes(total(transfer).size));
  return (
    <Button size="md" variant={useless ? "default" : "filled"} leftSection={<UploadIcon size={18} />} aria-label={`${label}: ${transfer.cargo.name}`} onClick={() => transfers.start(transfer.id)}>
      {label}
    </Button>
  );
}

function Whole({ transfer }: { transfer: Transfer }) {
  const t = useText().land.transfer;
  const { cargo, files } = transfer;
  const signatures = files.slice(0, cargo.signatures.length).flatMap((f) => f.upload?.id ?? []);
  const upload = files[cargo.signatures.length]?.upload?.id;
  if (cargo.kind === "signature" || !upload) return null;
  return (
    <Button component={Link} to={reviewPath({ upload, signatures })} size="md" leftSection={<LandIcon size={18} />} rightSection={<CheckIcon size={16} />} aria-label={t.reviewOf(cargo.name)}>
      {t.review}
    </Button>
  );
}

function Cancel({ transfer }: { transfer: Transfer }) {
  const t = useText().land.transfer;
  const confirm = useConfirm();
  const { id, cargo } = transfer;
  return (
    <Button
      variant="default"
      leftSection={<CloseIcon size={16} />}
      aria-label={`${t.cancel}: ${cargo.name}`}
      onClick={() => confirm({ title: t.cancelTitle(cargo.name), destroys: t.cancelText, undo: true, action: t.cancel, act: () => transfers.cancel(id) })}
    >
      {t.cancel}
    </Button>
  );
}
