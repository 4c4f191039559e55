import { Anchor, Button, Group, Progress, Stack, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { Link } from "react-router";
import { remove } from "../../../bundle/request";
import { transfers, useTransfers, type Transfer } from "../../../bundle/transfers";
import { useConfirm } from "../../../components/Confirm";
import { WarningIcon } from "../../../components/icons";
import { Section } from "../../../components/Page";
import { Trouble } from "../../../components/States";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import { reviewPath } from "../review/source";
import classes from "../land.module.css";
import { arrivedOf, isSignature, useUploads, type Arrived, type Upload } from "./uploads";

// Waiting are the uploads on the appliance that this window does not send: begun
// elsewhere or before, or whole and not landed.
export function Waiting() {
  const t = useText().land.waiting;
  const query = useUploads();
  const sending = useTransfers();
  const arrived = arrivedOf((query.data ?? []).filter((u) => !isSentHere(u, sending)));
  if (query.error) return <Trouble error={query.error} again={() => void query.refetch()} />;
  if (arrived.length === 0) return null;
  return (
    <Section title={t.title} about={t.about}>
      <Stack component="ul" className={classes.list}>
        {arrived.map((a) => (
          <Row key={a.key} arrived={a} />
        ))}
      </Stack>
    </Section>
  );
}

// isSentHere reports whether an upload is shown with the transfers of this window.
function isSentHere(u: Upload, sending: readonly Transfer[]): boolean {
  return sending.some((s) => s.state !== "chosen" && s.files.some((f) => f.upload?.id === u.id || (f.file.name === u.name && f.file.size === (u.part?.total ?? u.size))));
}

function Row({ arrived }: { arrived: Arrived }) {
  const text = useText().land;
  const t = text.waiting;
  const f = useFormat();
  const first = arrived.uploads[0];
  const kind = isSignatureOnly(arrived) ? "signature" : arrived.kind;
  return (
    <Group component="li" justify="space-between" className={classes.item}>
      <div className={classes.grow}>
        <Text fw={600} style={{ overflowWrap: "anywhere" }}>
          {arrived.name}
        </Text>
        <Text size="sm" c="dimmed">
          {[text.kind[kind], f.bytes(arrived.size), arrived.signatures.length > 0 && text.cargo.signatures(f.list(arrived.signatures.map((s) => s.name))), arrived.expires && !first?.job && t.until(f.time(arrived.expires))].filter(Boolean).join(" · ")}
        </Text>
        <About arrived={arrived} />
      </div>
      <Group gap="xs">
        {arrived.state === "whole" && !first?.job && first && !isSignatureOnly(arrived) && (
          <Button component={Link} to={reviewPath({ upload: first.id, signatures: arrived.signatures.map((s) => s.id) })} aria-label={text.transfer.reviewOf(arrived.name)}>
            {text.transfer.review}
          </Button>
        )}
        {!first?.job && arrived.state !== "checking" && <Remove arrived={arrived} />}
      </Group>
    </Group>
  );
}

const isSignatureOnly = (a: Arrived) => a.uploads.length === 1 && a.uploads.every(isSignature);

function About({ arrived }: { arrived: Arrived }) {
  const text = useText().land;
  const t = text.waiting;
  const f = useFormat();
  const first = arrived.uploads[0];
  if (first?.job) {
    return (
      <Text size="sm">
        {t.landing}{" "}
        <Anchor component={Link} to={`/jobs/${first.job}`}>
          {t.toJob}
        </Anchor>
      </Text>
    );
  }
  if (arrived.state === "failed") {
    return (
      <Group gap={6} wrap="nowrap" align="flex-start">
        <WarningIcon size={18} style={{ flex: "none" }} />
        <Text size="sm" style={{ overflowWrap: "anywhere" }}>
          {t.failed} {first?.reason}
        </Text>
      </Group>
    );
  }
  if (arrived.state === "receiving") {
    return (
      <>
        <Progress value={(100 * arrived.at) / Math.max(1, arrived.size)} my={4} aria-label={text.transfer.progressOf(arrived.name)} />
        <Text size="sm">{t.unfinished(f.bytes(arrived.at), f.bytes(arrived.size))}</Text>
      </>
    );
  }
  if (isSignatureOnly(arrived)) return <Text size="sm">{text.transfer.signatureWhole}</Text>;
  return <Text size="sm">{arrived.state === "checking" ? t.checking : t.whole}</Text>;
}

function Remove({ arrived }: { arrived: Arrived }) {
  const t = useText().land.waiting;
  const f = useFormat();
  const confirm = useConfirm();
  const cache = useQueryClient();
  const act = async () => {
    const all = [...arrived.uploads, ...arrived.signatures];
    await Promise.all(all.map((u) => remove(u.id)));
    all.forEach((u) => transfers.landed(u.id));
    await cache.invalidateQueries({ queryKey: ["uploads"] });
  };
  return (
    <Button variant="default" aria-label={t.removeOf(arrived.name)} onClick={() => confirm({ title: t.removeTitle(arrived.name), destroys: t.removeText(f.bytes(arrived.at)), action: t.remove, act })}>
      {t.remove}
    </Button>
  );
}
