import { Alert, Stack, Text } from "@mantine/core";
import { Digest } from "../../components/Copy";
import { DataTable, type Column } from "../../components/DataTable";
import { Facts } from "../../components/Facts";
import { CheckIcon, ErrorIcon } from "../../components/icons";
import { Names } from "../../components/Names";
import { useFormat } from "../../format";
import { fieldsOf, listOf, numberOf, textOf, textsOf, type Fields } from "../../narrow";
import { useText } from "../../text";

type Damage = { digest: string; cause: string; breaks: string[]; more: boolean };

function damageOf(x: unknown): Damage {
  const d = fieldsOf(x);
  return { digest: textOf(d.digest), cause: textOf(d.cause), breaks: textsOf(d.breaks), more: d.more === true };
}

// Scrubbed says what a scrub found; one that made way for another found nothing.
export function Scrubbed({ did }: { did?: Fields }) {
  const t = useText().jobs.scrubbed;
  const f = useFormat();
  if (!did) return <Text size="sm">{t.yielded}</Text>;
  const damaged = listOf(did.damaged).map(damageOf);
  return (
    <Stack gap="sm">
      {damaged.length === 0 ? (
        <Alert color="teal" icon={<CheckIcon />}>
          {t.ok}
        </Alert>
      ) : (
        <Alert color="red" icon={<ErrorIcon />} title={t.bad(damaged.length, f.count(damaged.length))}>
          {t.badText}
        </Alert>
      )}
      <Facts
        items={[
          [t.blobs, f.count(numberOf(did.blobs))],
          [t.bytes, f.bytes(numberOf(did.bytes))],
          [did.resumed === true ? t.resumed : t.began, did.started !== undefined && f.time(textOf(did.started))],
        ]}
      />
      {damaged.length > 0 && <DamageTable rows={damaged} />}
    </Stack>
  );
}

function DamageTable({ rows }: { rows: Damage[] }) {
  const t = useText().jobs.scrubbed;
  const columns: Column<Damage>[] = [
    { head: "Digest", cell: (d) => <Digest value={d.digest} /> },
    { head: t.cause, cell: (d) => <span style={{ overflowWrap: "anywhere" }}>{d.cause}</span> },
    {
      head: t.breaks,
      width: "50%",
      cell: (d) => (
        <>
          <Names names={d.breaks} />
          {d.more && <Text size="sm">{t.moreBreaks}</Text>}
        </>
      ),
    },
  ];
  return <DataTable label={t.cause} rows={rows} columns={columns} id={(d) => d.digest} />;
}
