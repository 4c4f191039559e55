import { Alert, Stack, Text } from "@mantine/core";
import { CheckIcon, ErrorIcon, WarningIcon } from "../../../components/icons";
import { CodeBlock } from "../../../components/Copy";
import { Facts } from "../../../components/Facts";
import { Section } from "../../../components/Page";
import { Shown, Trouble } from "../../../components/States";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import { colors } from "../GateState";
import { useCheck, type Report, type Summary } from "../queries";
import { GateActions } from "./GateActions";
import { Items } from "./Items";
import { useCheckNow } from "./useCheckNow";
import { badOf, wantsFile } from "./wants";

// Gate says whether all that a definition reaches is here, and what to do when not.
export function Gate({ summary }: { summary: Summary }) {
  const t = useText().clusters.gate;
  const query = useCheck(summary);
  const check = useCheckNow(summary.reference);
  const report = query.data?.report;
  return (
    <Section title={t.title} about={t.about} actions={<GateActions summary={summary} report={report} check={check} />}>
      <Stack>
        {check.error && <Trouble error={check.error} />}
        {summary.gate ? <Shown query={query}>{({ report: r, at }) => <Found report={r} at={at} />}</Shown> : <Text size="sm">{t.notYet}</Text>}
      </Stack>
    </Section>
  );
}

function Found({ report: r, at }: { report: Report; at: string }) {
  const text = useText().clusters;
  const t = text.gate;
  const f = useFormat();
  const items = r.items ?? [];
  const count = (n: number) => text.items(n, f.count(n));
  const complete = r.state === "complete";
  const title = complete ? t.complete(count(items.length), f.bytes(r.bytes), f.count(r.digests)) : t.incomplete(f.count(badOf(items).length), count(items.length));
  const Icon = complete ? CheckIcon : colors[r.state] === "red" ? ErrorIcon : WarningIcon;
  const carried = (r.names ?? []).length > 0;
  return (
    <Stack gap="sm">
      <Alert color={colors[r.state] ?? "gray"} icon={<Icon />} title={title} role="status">
        <Text size="sm">
          {r.lacking > 0 && t.lacking(f.bytes(r.lacking))} {t.means[r.state]}
        </Text>
      </Alert>
      <Facts
        items={[
          [text.checked, f.time(at)],
          [text.platforms, f.list(r.platforms ?? [])],
          [t.how, r.deep ? t.deep : t.quick],
          [t.digests, f.count(r.digests)],
        ]}
      />
      {carried && <CodeBlock label={t.command} value={`landfall bundle create --wants ${wantsFile(r)} -o ${r.name}-${r.version}.bundle`} />}
      <Items key={r.document} items={items} />
    </Stack>
  );
}
