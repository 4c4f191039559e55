import { useQuery } from "@tanstack/react-query";
import { ask, client, type Schema } from "../../api/client";
import { useMay } from "../../api/session";
import { useText } from "../../text";
import { ifThere } from "./queries";

type Drive = Schema<"Drive">;

// useDrives are the drives that are plugged in; none where none are watched.
export function useDrives() {
  const may = useMay("bundles.read");
  return useQuery({ queryKey: ["drives", "home"], queryFn: async () => (await ifThere(ask(client.GET("/api/v1/bundles/drives")))) ?? [], enabled: may });
}

// landable are the files on a drive that can land: signatures go with them.
export function landable(drive: Drive) {
  return (drive.candidates ?? []).filter((c) => c.form !== "signature" && !c.problem);
}

// useDriveName is what people call a drive.
export function useDriveName() {
  const t = useText().home.drives;
  return (d: Drive) => d.label || d.hardware || d.where || d.device || t.unnamed;
}
