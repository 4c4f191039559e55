import { ActionIcon, Button, Menu } from "@mantine/core";
import { useState } from "react";
import { useNavigate } from "react-router";
import { useMay, useSession } from "../../../api/session";
import { CopyButton } from "../../../components/Copy";
import { LandIcon, MoreIcon, PinIcon, TrashIcon } from "../../../components/icons";
import { useText } from "../../../text";
import { DeleteDialog } from "../DeleteDialog";
import { ExportDialog } from "../ExportDialog";
import { byDigest, repositoryPath, splitName } from "../names";
import type { Artifact } from "./index";
import { PinDialog } from "./PinDialog";

// ArtifactActions are what can be done with an artifact by who is signed in.
export function ArtifactActions({ artifact: a }: { artifact: Artifact }) {
  const t = useText();
  const navigate = useNavigate();
  const { restricted } = useSession();
  const mayPin = useMay("content.write") && !restricted && !a.attached;
  const mayExport = useMay("bundles.write") && !restricted;
  const mayDelete = useMay("content.delete") && !restricted && !a.attached;
  const [asked, setAsked] = useState<"pin" | "export" | { remove: string }>();
  const close = () => setAsked(undefined);
  const { tag } = splitName(a.name);
  return (
    <>
      <CopyButton value={a.name} what={t.common.name} />
      {mayExport && (
        <Button variant="default" leftSection={<LandIcon size={16} />} onClick={() => setAsked("export")}>
          {t.content.export.open}
        </Button>
      )}
      {mayPin && (
        <Button variant="default" leftSection={<PinIcon size={16} />} onClick={() => setAsked("pin")}>
          {t.content.pin.open}
        </Button>
      )}
      {mayDelete && (
        <Menu position="bottom-end">
          <Menu.Target>
            <ActionIcon variant="default" size="input-sm" aria-label={t.common.actionsFor(a.name)}>
              <MoreIcon />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            {tag && (
              <Menu.Item leftSection={<TrashIcon size={16} />} onClick={() => setAsked({ remove: a.name })}>
                {t.content.remove.tag(tag)}
              </Menu.Item>
            )}
            <Menu.Item color="red" leftSection={<TrashIcon size={16} />} onClick={() => setAsked({ remove: byDigest(a.repository, a.digest) })}>
              {t.content.remove.manifest}
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      )}
      {asked === "pin" && <PinDialog artifact={a} close={close} />}
      {asked === "export" && <ExportDialog names={[a.name]} close={close} />}
      {typeof asked === "object" && <DeleteDialog names={[asked.remove]} close={close} done={() => void navigate(repositoryPath(a.repository))} />}
    </>
  );
}
