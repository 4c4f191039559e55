import { Badge, Button, Group, Stack, Switch, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { ask, client, type Schema } from "../../../api/client";
import { Digest } from "../../../components/Copy";
import { DataTable, type Column } from "../../../components/DataTable";
import { SearchIcon } from "../../../components/icons";
import { Section } from "../../../components/Page";
import { Shown } from "../../../components/States";
import { useFormat } from "../../../format";
import { useText } from "../../../text";

type Verdict = Schema<"ImageVerdict">;

// What a table shows before somebody asks for all.
const first = 100;

// Images shows what was found out about the signatures of images.
export function Images() {
  const t = useText().settings.trust;
  const query = useQuery({ queryKey: ["trust", "images"], queryFn: () => ask(client.GET("/api/v1/trust/images")) });
  return (
    <Section title={t.images} about={t.imagesAbout}>
      <Shown query={query}>{(list) => (list && list.length > 0 ? <Verdicts list={list} /> : <Text c="dimmed" size="sm">{t.noImages}</Text>)}</Shown>
    </Section>
  );
}

function Verdicts({ list }: { list: Verdict[] }) {
  const t = useText();
  const words = t.settings.trust;
  const f = useFormat();
  const [search, setSearch] = useState("");
  const [bad, setBad] = useState(false);
  const [all, setAll] = useState(false);
  const found = list.filter((v) => (!bad || !v.verified) && v.repository.includes(search.trim()));
  const columns: Column<Verdict>[] = [
    { head: words.repository, cell: (v) => <Text size="sm" style={{ overflowWrap: "anywhere" }}>{v.repository}</Text> },
    { head: words.image, cell: (v) => <Digest value={v.digest} /> },
    { head: words.verdict, cell: (v) => <Verified of={v} /> },
  ];
  return (
    <Stack gap="sm">
      <Group align="flex-end">
        <TextInput label={words.searchImages} leftSection={<SearchIcon size={16} />} value={search} onChange={(e) => setSearch(e.currentTarget.value)} />
        <Switch label={words.onlyBad} checked={bad} onChange={(e) => setBad(e.currentTarget.checked)} mb={8} />
      </Group>
      {found.length > 0 ? <DataTable label={words.images} rows={all ? found : found.slice(0, first)} columns={columns} id={(v) => v.repository + v.digest} /> : <Text c="dimmed" size="sm">{words.noneFound}</Text>}
      {!all && found.length > first && (
        <Button variant="default" onClick={() => setAll(true)}>
          {t.common.showAll(f.count(found.length))}
        </Button>
      )}
    </Stack>
  );
}

function Verified({ of: verdict }: { of: Verdict }) {
  const t = useText().settings.trust;
  const f = useFormat();
  return (
    <>
      <Badge variant="light" color={verdict.verified ? "teal" : "red"} style={{ textTransform: "none" }}>
        {verdict.verified ? t.verified : t.notVerified}
      </Badge>
      <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
        {verdict.verified ? f.list(verdict.signers ?? []) : (verdict.problems ?? []).join("; ")}
      </Text>
    </>
  );
}
