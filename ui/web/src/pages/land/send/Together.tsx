import { Progress, Stack, Text } from "@mantine/core";
import { total, type Transfer } from "../../../bundle/transfers";
import { useFormat } from "../../../format";
import { useText } from "../../../text";

// Together is how far all transfers are, when there are several.
export function Together({ transfers }: { transfers: readonly Transfer[] }) {
  const t = useText().land.transfer;
  const f = useFormat();
  const busy = transfers.filter((s) => s.state === "queued" || s.state === "sending");
  if (busy.length === 0) return null;
  const all = busy.map(total);
  const at = all.reduce((sum, s) => sum + s.at, 0);
  const size = all.reduce((sum, s) => sum + s.size, 0);
  const rate = busy.reduce((sum, s) => sum + (s.rate ?? 0), 0);
  const parts = [t.progress(f.bytes(at), f.bytes(size)), rate > 0 && f.rate(rate), rate > 0 && t.left(f.duration((size - at) / rate))];
  return (
    <Stack gap={4}>
      {busy.length > 1 && (
        <>
          <Text size="sm" fw={600}>
            {t.together}
          </Text>
          <Progress value={(100 * at) / Math.max(1, size)} aria-label={t.together} />
          <Text size="sm" c="dimmed">
            {parts.filter(Boolean).join(" · ")}
          </Text>
        </>
      )}
      <Text size="sm">{t.keepOpen}</Text>
    </Stack>
  );
}
