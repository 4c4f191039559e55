import { Checkbox, Stack } from "@mantine/core";
import { Section } from "../../../components/Page";
import { useText } from "../../../text";
import { isSignature, useUploads } from "../waiting/uploads";
import type { Source } from "./source";

// Beside lets one choose which files of signatures count, among those that were sent.
export function Beside({ source, choose }: { source: Source; choose: (ids: string[]) => void }) {
  const t = useText().land.review;
  const uploads = useUploads();
  const files = (uploads.data ?? []).filter((u) => u.state === "whole" && u.id !== source.upload && isSignature(u));
  if (files.length === 0) return null;
  const chosen = source.signatures ?? [];
  return (
    <Section title={t.beside} about={t.besideAbout}>
      <Stack gap="xs">
        {files.map((u) => (
          <Checkbox key={u.id} label={u.name} checked={chosen.includes(u.id)} onChange={(e) => choose(e.currentTarget.checked ? [...chosen, u.id] : chosen.filter((id) => id !== u.id))} />
        ))}
      </Stack>
    </Section>
  );
}
