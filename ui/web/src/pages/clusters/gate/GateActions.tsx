import { Button, Checkbox } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ask, client } from "../../../api/client";
import { useMay } from "../../../api/session";
import { DownloadIcon, RefreshIcon } from "../../../components/icons";
import { told } from "../../../components/States";
import { useText } from "../../../text";
import { all, type Report, type Summary } from "../queries";
import type { CheckNow } from "./useCheckNow";
import { saveWants } from "./wants";

// GateActions are for those who may do more than look.
export function GateActions({ summary, report, check }: { summary: Summary; report?: Report; check: CheckNow }) {
  const t = useText().clusters.gate;
  const may = useMay("definitions.write");
  const mayRead = useMay("content.write"); // all bytes: that may take hours of a site's disks
  const [deep, setDeep] = useState(false);
  const save = useSave(summary.reference);
  if (!may) return null;
  return (
    <>
      {mayRead && <Checkbox label={t.readAll} checked={deep} onChange={(e) => setDeep(e.currentTarget.checked)} />}
      <Button variant="default" leftSection={<RefreshIcon size={16} />} loading={check.isPending} onClick={() => check.mutate(deep)}>
        {t.checkNow}
      </Button>
      {(report?.names ?? []).length > 0 && (
        <Button leftSection={<DownloadIcon size={16} />} loading={save.isPending} onClick={() => save.mutate()}>
          {t.save}
        </Button>
      )}
    </>
  );
}

// useSave asks what is missing by now, and gives it to the browser as a file.
function useSave(reference: string) {
  const t = useText();
  const cache = useQueryClient();
  return useMutation({
    mutationFn: () => ask(client.GET("/api/v1/definitions/wants", { params: { query: { name: reference } } })),
    onSuccess: ({ wants }) => {
      if (wants) saveWants(wants);
      else notifications.show({ color: "teal", message: t.clusters.gate.nothing });
    },
    onError: (error) => notifications.show({ color: "red", title: told(t, error).what, message: error.message || told(t, error).act }),
    onSettled: () => cache.invalidateQueries({ queryKey: all }), // it was checked on the way
  });
}
