import { Button, Stack } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { ask, client } from "../../../api/client";
import { useMay } from "../../../api/session";
import { DriveIcon, RefreshIcon } from "../../../components/icons";
import { Section } from "../../../components/Page";
import { Empty, Shown, Trouble } from "../../../components/States";
import { useText } from "../../../text";
import classes from "../land.module.css";
import { DriveCard } from "./DriveCard";
import { useDrives } from "./drives";

// Drives are those that are plugged into the appliance, with what is on them.
export function Drives() {
  const t = useText().land.drives;
  const query = useDrives();
  if (query.data === null) return null;
  return (
    <Section title={t.title} about={t.about} actions={<Rescan />}>
      <Shown query={query}>
        {(drives) =>
          !drives?.length ? (
            <Empty icon={<DriveIcon />} title={t.empty}>
              {t.emptyText}
            </Empty>
          ) : (
            <Stack component="ul" className={classes.list}>
              {drives.map((d) => (
                <DriveCard key={d.id} drive={d} />
              ))}
            </Stack>
          )
        }
      </Shown>
    </Section>
  );
}

function Rescan() {
  const t = useText().land.drives;
  const may = useMay("bundles.write");
  const cache = useQueryClient();
  const rescan = useMutation({
    mutationFn: () => ask(client.POST("/api/v1/bundles/drives/rescan")),
    onSuccess: () => {
      notifications.show({ color: "teal", message: t.rescanned });
      return cache.invalidateQueries({ queryKey: ["drives"] });
    },
  });
  if (!may) return null;
  return (
    <>
      <Button variant="default" leftSection={<RefreshIcon size={16} />} loading={rescan.isPending} onClick={() => rescan.mutate()}>
        {t.rescan}
      </Button>
      {rescan.error && <Trouble error={rescan.error} />}
    </>
  );
}
