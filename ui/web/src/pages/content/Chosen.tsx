import { Button, Group, Text } from "@mantine/core";
import { useState } from "react";
import { useMay } from "../../api/session";
import { LandIcon, TrashIcon } from "../../components/icons";
import { useFormat } from "../../format";
import { useText } from "../../text";
import { DeleteDialog } from "./DeleteDialog";
import { ExportDialog } from "./ExportDialog";

// Chosen is what can be done with the names that are chosen in a list.
export function Chosen({ names, clear }: { names: string[]; clear: () => void }) {
  const t = useText();
  const f = useFormat();
  const mayExport = useMay("bundles.write");
  const mayDelete = useMay("content.delete");
  const [asked, setAsked] = useState<"export" | "delete">();
  const close = () => setAsked(undefined);
  return (
    <Group gap="xs">
      <Text size="sm">{t.content.chosen(f.count(names.length))}</Text>
      {mayExport && (
        <Button size="xs" leftSection={<LandIcon size={16} />} onClick={() => setAsked("export")}>
          {t.content.export.open}
        </Button>
      )}
      {mayDelete && (
        <Button size="xs" variant="default" leftSection={<TrashIcon size={16} />} onClick={() => setAsked("delete")}>
          {t.content.remove.open}
        </Button>
      )}
      <Button size="xs" variant="subtle" onClick={clear}>
        {t.common.clear}
      </Button>
      {asked === "export" && <ExportDialog names={names} close={close} />}
      {asked === "delete" && <DeleteDialog names={names} close={close} done={clear} />}
    </Group>
  );
}
