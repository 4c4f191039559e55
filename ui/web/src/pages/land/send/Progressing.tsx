import { Alert, List, Progress, Stack, Text } from "@mantine/core";
import { Failure } from "../../../api/client";
import { ChangedError } from "../../../bundle/send";
import { total, type Sent, type Transfer } from "../../../bundle/transfers";
import { CheckIcon, ClockIcon } from "../../../components/icons";
import { told, Trouble } from "../../../components/States";
import { useFormat } from "../../../format";
import { useText } from "../../../text";

// Progressing is how far a transfer is, and what keeps it from going on.
export function Progressing({ transfer }: { transfer: Transfer }) {
  const t = useText().land.transfer;
  const { state, cargo, files } = transfer;
  const { at, size } = total(transfer);
  if (state === "whole") {
    return (
      <Alert color="teal" icon={<CheckIcon />} title={t.whole} role="status">
        {cargo.kind === "signature" && t.signatureWhole}
      </Alert>
    );
  }
  const now = files.find((f) => f.step !== "whole" && f.step !== "ready") ?? files.find((f) => f.step === "ready");
  if (state === "failed") return now ? <Failed error={now.error} /> : null;
  return (
    <Stack gap="xs">
      <Progress size="lg" value={(100 * at) / Math.max(1, size)} animated={now?.step === "sending"} aria-label={t.progressOf(cargo.name)} />
      <Numbers transfer={transfer} now={now} />
      {now?.step === "waiting" && <Waits why={now.error} />}
      {files.length > 1 && <Files files={files} />}
    </Stack>
  );
}

function Numbers({ transfer, now }: { transfer: Transfer; now?: Sent }) {
  const t = useText().land.transfer;
  const f = useFormat();
  const { at, size, found } = total(transfer);
  if (transfer.state === "queued") return <Text size="sm">{t.queued}</Text>;
  if (now?.step === "looking") return <Text size="sm">{t.looking}</Text>;
  if (now?.step === "checking" && at === size) return <Text size="sm">{t.checking}</Text>;
  const { rate } = transfer;
  const parts = [t.progress(f.bytes(at), f.bytes(size)), rate && f.rate(rate), rate && t.left(f.duration((size - at) / rate)), found > 0 && t.found(f.bytes(found))];
  return (
    <Text size="sm" c="dimmed">
      {parts.filter(Boolean).join(" · ")}
    </Text>
  );
}

// Files are those of a transfer that has several, each with how far it is.
function Files({ files }: { files: Sent[] }) {
  const t = useText().land.transfer;
  const f = useFormat();
  return (
    <List size="sm">
      {files.map((s) => (
        <List.Item key={s.file.name}>
          <Text span size="sm" style={{ overflowWrap: "anywhere" }}>
            {s.file.name}
          </Text>{" "}
          <Text span size="sm" c="dimmed">
            {s.step === "whole" ? t.fileWhole : t.progress(f.bytes(s.at), f.bytes(s.file.size))}
          </Text>
        </List.Item>
      ))}
    </List>
  );
}

function Waits({ why }: { why: unknown }) {
  const text = useText();
  const t = text.land.transfer;
  const signedOut = why instanceof Failure && why.problem?.status === 401;
  return (
    <Alert color="yellow" icon={<ClockIcon />} title={t.waiting} role="status">
      <Text size="sm">{signedOut ? t.waitingSignIn : `${told(text, why).what}. ${t.waitingText}`}</Text>
    </Alert>
  );
}

// isRefused reports whether it is the file that the appliance does not want. Sent again,
// it would be the same.
export function isRefused(error: unknown): boolean {
  return error instanceof Failure && error.problem?.status === 422;
}

function Failed({ error }: { error: unknown }) {
  const t = useText().land.transfer;
  if (error instanceof ChangedError) {
    return (
      <Alert color="red" title={t.failed} role="alert">
        {t.changed}
      </Alert>
    );
  }
  return <Trouble error={error} title={isRefused(error) ? t.refused : t.failed} />;
}
