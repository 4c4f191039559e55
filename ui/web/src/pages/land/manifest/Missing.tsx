import { Button, Stack, Text } from "@mantine/core";
import { useState } from "react";
import type { Schema } from "../../../api/client";
import { Digest } from "../../../components/Copy";
import { DataTable, type Column } from "../../../components/DataTable";
import { DownloadIcon } from "../../../components/icons";
import { Section } from "../../../components/Page";
import { useFormat } from "../../../format";
import { useText } from "../../../text";

type Wants = Schema<"Wants">;
type Want = Schema<"Want">;

const page = 50;

// Missing is what a thin bundle needs and the site does not have, as a list that the
// connected side can work with.
export function Missing({ wants }: { wants: Wants }) {
  const text = useText();
  const t = text.land.review;
  const f = useFormat();
  const [shown, setShown] = useState(page);
  const rows = wants.wants ?? [];
  const columns: Column<Want>[] = [
    { head: t.digest, cell: (w) => <Digest value={w.digest} /> },
    { head: text.common.kind, cell: (w) => t.wantKind[w.kind] ?? w.kind },
    { head: t.repositories, cell: (w) => <Text size="sm" style={{ overflowWrap: "anywhere" }}>{(w.repositories ?? []).join(", ")}</Text> },
    { head: text.common.size, cell: (w) => (w.size ? f.bytes(w.size) : t.wantsSize), end: true },
  ];
  return (
    <Section
      title={t.wants}
      about={t.wantsAbout}
      actions={
        <Button leftSection={<DownloadIcon size={16} />} onClick={() => save(wants)}>
          {t.wantsSave}
        </Button>
      }
    >
      <Stack>
        <DataTable label={t.wants} rows={rows.slice(0, shown)} columns={columns} id={(w) => w.digest} />
        {rows.length > shown && (
          <Button variant="default" onClick={() => setShown(shown + 10 * page)}>
            {text.common.more}
          </Button>
        )}
      </Stack>
    </Section>
  );
}

// save gives the browser a wants file, as 'landfall bundle import' writes one.
function save(wants: Wants) {
  const url = URL.createObjectURL(new Blob([JSON.stringify(wants, null, 2) + "\n"], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `${(wants.bundle ?? wants.definition?.name ?? "site").slice(0, 12)}.wants.json`;
  link.click();
  URL.revokeObjectURL(url);
}
