import { Box, Stack, Table, Text } from "@mantine/core";
import { DataTable, type Column } from "../../components/DataTable";
import { NameLink } from "../../components/Names";
import { useFormat } from "../../format";
import { fieldsOf, numberOf, textOf } from "../../narrow";
import { useText } from "../../text";
import classes from "./changes.module.css";
import { changesOf, linesOf, listedIn, type Change, type Listed } from "./diff";

// Changes shows what an entry says of before and after, so that the difference is
// seen. The values depend on the action.
export function Changes({ before, after }: { before: unknown; after: unknown }) {
  const t = useText().audit;
  const f = useFormat();
  const many = listedIn(after);
  if (many) return <Many rows={many} />;
  const { changed, same } = changesOf(before, after);
  const cut = [before, after].map(fieldsOf).find((x) => x.truncated === true);
  if (changed.length + same === 0) return <Text size="sm">{t.noValues}</Text>;
  if (cut) return <Text size="sm">{t.cut(f.bytes(numberOf(cut.bytes)), textOf(cut.sha256))}</Text>;
  return (
    <Stack gap="xs">
      <Fields rows={changed} />
      {same > 0 && (
        <Text size="sm" c="dimmed">
          {t.same(same, f.count(same))}
        </Text>
      )}
    </Stack>
  );
}

function Fields({ rows }: { rows: Change[] }) {
  const t = useText().audit;
  const texts = rows.filter(isText);
  const values = rows.filter((r) => !isText(r));
  return (
    <>
      {values.length > 0 && (
        <Box style={{ overflowX: "auto" }} tabIndex={0} role="region" aria-label={t.changes}>
          <Table verticalSpacing={6} className={classes.fields}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t.field}</Table.Th>
                <Table.Th>{t.before}</Table.Th>
                <Table.Th>{t.after}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {values.map((r) => (
                <Table.Tr key={r.path}>
                  <Table.Th scope="row">{r.path || "—"}</Table.Th>
                  <Table.Td>{r.before === undefined ? <Nothing /> : <del className={classes.removed}>{r.before}</del>}</Table.Td>
                  <Table.Td>{r.after === undefined ? <Nothing /> : <ins className={classes.added}>{r.after}</ins>}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Box>
      )}
      {texts.map((r) => (
        <TextDiff key={r.path} change={r} />
      ))}
    </>
  );
}

const isText = (r: Change) => [r.before, r.after].some((v) => v?.trimEnd().includes("\n"));

function Nothing() {
  const t = useText().audit;
  return (
    <Text span size="sm" c="dimmed">
      {t.nothing}
    </Text>
  );
}

// TextDiff shows two texts of several lines as one, with what went and came.
function TextDiff({ change }: { change: Change }) {
  const t = useText().audit;
  const lines = linesOf(change.before ?? "", change.after ?? "");
  const mark = { same: " ", removed: "−", added: "+" };
  const said = { same: "", removed: `${t.removedLine}: `, added: `${t.addedLine}: ` };
  return (
    <Box>
      {change.path && (
        <Text size="sm" fw={500} ff="monospace">
          {change.path}
        </Text>
      )}
      <Box className={classes.text} tabIndex={0} role="region" aria-label={change.path || t.changes}>
        {lines.map((l, k) => (
          <div key={k} className={l.kind === "same" ? undefined : classes[l.kind]}>
            <span aria-hidden="true">{mark[l.kind]} </span>
            <span className={classes.said}>{said[l.kind]}</span>
            {l.text}
          </div>
        ))}
      </Box>
    </Box>
  );
}

// Many lists the names that one entry stands for.
function Many({ rows }: { rows: Listed[] }) {
  const t = useText();
  const f = useFormat();
  const value = (x: unknown) => {
    const text = typeof x === "string" ? x : x === undefined || x === null ? "" : (textOf(fieldsOf(x).digest) || JSON.stringify(x));
    return text ? (
      <Text span size="xs" ff="monospace" title={text}>
        {text.length > 24 ? text.slice(0, 23) + "…" : text}
      </Text>
    ) : (
      <Nothing />
    );
  };
  const columns: Column<Listed>[] = [
    { head: t.common.name, cell: (r) => <NameLink name={r.name} /> },
    { head: t.audit.before, cell: (r) => value(r.before) },
    { head: t.audit.after, cell: (r) => value(r.after) },
  ];
  return (
    <Stack gap="xs">
      <Text size="sm">{t.audit.many(rows.length, f.count(rows.length))}</Text>
      <Box mah="24rem" style={{ overflowY: "auto" }}>
        <DataTable label={t.audit.changes} rows={rows} columns={columns} id={(r) => r.name} />
      </Box>
    </Stack>
  );
}
