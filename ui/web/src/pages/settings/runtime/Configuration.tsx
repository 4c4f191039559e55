import { Card, Checkbox, Code, Group, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import type { Schema } from "../../../api/client";
import { DataTable, type Column } from "../../../components/DataTable";
import { SearchIcon } from "../../../components/icons";
import { Page } from "../../../components/Page";
import { Empty, Shown } from "../../../components/States";
import { useText } from "../../../text";
import { useEffective, useOrigin, useShow, valueOf } from "./values";

type Field = Schema<"SettingsValue">;

// Configuration shows every value that is in force, and who says so.
export default function Configuration() {
  const t = useText();
  const query = useEffective();
  const [search, setSearch] = useState("");
  const [set, setSet] = useState(false);
  const found = (f: Field) => (!set || f.origin.kind !== "default") && `${f.name} ${String(f.value)} ${f.origin.place ?? ""}`.toLowerCase().includes(search.trim().toLowerCase());
  return (
    <Page title={t.settings.configuration.title} about={t.settings.configuration.about}>
      <Card>
        <Group align="flex-end" mb="sm">
          <TextInput label={t.settings.configuration.search} leftSection={<SearchIcon size={16} />} value={search} onChange={(e) => setSearch(e.currentTarget.value)} />
          <Checkbox label={t.settings.configuration.set} checked={set} onChange={(e) => setSet(e.currentTarget.checked)} mb={8} />
        </Group>
        <Shown query={query}>{(list) => <ValueTable label={t.settings.configuration.title} rows={list.filter(found)} />}</Shown>
      </Card>
    </Page>
  );
}

// ValueTable shows fields of the configuration with where they come from.
export function ValueTable({ label, rows }: { label: string; rows: Field[] }) {
  const t = useText();
  const show = useShow();
  const origin = useOrigin();
  const columns: Column<Field>[] = [
    {
      head: t.settings.configuration.field,
      cell: (f) => (
        <>
          <Code>{f.name}</Code>
          {t.settings.fields[f.name] && (
            <Text size="xs" c="dimmed">
              {t.settings.fields[f.name]?.label}
            </Text>
          )}
        </>
      ),
    },
    { head: t.settings.configuration.value, cell: (f) => <Text size="sm" style={{ overflowWrap: "anywhere", minWidth: "6rem" }}>{show(f.name, valueOf(f.value))}</Text> },
    { head: t.settings.configuration.from, cell: (f) => <Text size="sm" c={f.origin.kind === "default" ? "dimmed" : undefined} style={{ overflowWrap: "anywhere" }}>{origin(f.origin)}</Text> },
  ];
  if (rows.length === 0) return <Empty title={t.settings.configuration.nothing}>{t.settings.configuration.nothingText}</Empty>;
  return <DataTable label={label} rows={rows} columns={columns} id={(f) => f.name} />;
}
