import { Alert, Badge, Button, Group, Stack, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { ask, client } from "../../../api/client";
import { useMay } from "../../../api/session";
import { signatureName } from "../../../bundle/kind";
import { CheckIcon, DriveIcon, WarningIcon } from "../../../components/icons";
import { Trouble } from "../../../components/States";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import classes from "../land.module.css";
import { CandidateRow } from "./CandidateRow";
import { driveName, type Candidate, type Drive } from "./drives";

const colors: Record<string, string> = { ready: "teal", unreadable: "red", ejected: "blue" };

// DriveCard is a drive with the bundles on it.
export function DriveCard({ drive }: { drive: Drive }) {
  const t = useText().land.drives;
  const f = useFormat();
  const name = driveName(drive, t);
  const readers = drive.readers ?? [];
  const facts = [drive.size ? f.bytes(drive.size) : "", drive.type, drive.device, drive.hardware !== name ? drive.hardware : "", drive.readOnly ? t.readOnly : ""].filter(Boolean);
  return (
    <Stack component="li" gap="sm" className={classes.cargo}>
      <Group justify="space-between" align="flex-start">
        <Group gap="sm" wrap="nowrap" className={classes.grow}>
          <DriveIcon size={28} />
          <div style={{ minWidth: 0 }}>
            <Group gap="xs">
              <Text fw={600} style={{ overflowWrap: "anywhere" }}>
                {name}
              </Text>
              <Badge variant="light" color={colors[drive.state] ?? "gray"} style={{ textTransform: "none" }}>
                {t.state[drive.state] ?? drive.state}
              </Badge>
            </Group>
            <Text size="sm" c="dimmed">
              {facts.join(" · ")}
            </Text>
            {readers.length > 0 && <Text size="sm">{t.busy(f.list([...new Set(readers)].map((r) => t.reader[r] ?? r)))}</Text>}
          </div>
        </Group>
        {drive.access !== "folder" && drive.state !== "ejected" && <Eject drive={drive} name={name} />}
      </Group>
      <State drive={drive} name={name} />
      <Candidates drive={drive} name={name} />
    </Stack>
  );
}

function State({ drive, name }: { drive: Drive; name: string }) {
  const t = useText().land.drives;
  if (drive.state === "ejected") {
    return (
      <Alert color="blue" icon={<CheckIcon />} title={t.ejected(name)}>
        {t.ejectedText}
      </Alert>
    );
  }
  if (drive.state === "unreadable") {
    return (
      <Alert color="red" icon={<WarningIcon />} title={t.state.unreadable}>
        {drive.reason}
      </Alert>
    );
  }
  return drive.cut ? (
    <Alert color="yellow" icon={<WarningIcon />} title={t.cut}>
      {drive.cut}
    </Alert>
  ) : null;
}

function Candidates({ drive, name }: { drive: Drive; name: string }) {
  const t = useText().land.drives;
  const candidates = drive.candidates ?? [];
  const bundles = candidates.filter((c) => c.form === "bundle");
  const signatures = candidates.filter((c) => c.form === "signature");
  if (drive.state !== "ready") return null;
  if (candidates.length === 0) return <Text size="sm">{t.nothing}</Text>;
  const beside = (c: Candidate) => signatures.filter((s) => signatureName.exec(s.name)?.[1] === c.name);
  const alone = signatures.filter((s) => !bundles.some((b) => beside(b).includes(s)));
  return (
    <Stack component="ul" className={classes.list} gap="sm" aria-label={t.files(name)}>
      {[...bundles, ...alone].map((c) => (
        <CandidateRow key={c.id} drive={drive.id} candidate={c} beside={beside(c).map((s) => s.name)} />
      ))}
    </Stack>
  );
}

function Eject({ drive, name }: { drive: Drive; name: string }) {
  const t = useText().land.drives;
  const may = useMay("bundles.write");
  const cache = useQueryClient();
  const eject = useMutation({
    mutationFn: () => ask(client.POST("/api/v1/bundles/drives/{id}/eject", { params: { path: { id: drive.id } } })),
    onSuccess: () => {
      notifications.show({ color: "teal", title: t.ejected(name), message: t.ejectedText });
      return cache.invalidateQueries({ queryKey: ["drives"] });
    },
  });
  if (!may) return null;
  return (
    <>
      <Button variant="default" loading={eject.isPending} aria-label={t.ejectOf(name)} onClick={() => eject.mutate()}>
        {t.eject}
      </Button>
      {eject.error && <Trouble error={eject.error} />}
    </>
  );
}
