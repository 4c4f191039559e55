import { Select, Stack, Text } from "@mantine/core";
import { useSearchParams } from "react-router";
import { Section } from "../../../components/Page";
import { useText } from "../../../text";
import type { Summary } from "../queries";
import { Difference } from "./Difference";
import { Upgrade } from "./Upgrade";

// Compare says what another definition changes: for the values of the site when it is
// another version of this one, and in what it has. Which one is in the address.
export function Compare({ summary, others }: { summary: Summary; others: Summary[] }) {
  const t = useText().clusters.compare;
  const [params, setParams] = useSearchParams();
  const to = others.find((d) => d.reference === params.get("to"));
  const choose = (reference: string | null) => {
    const next = new URLSearchParams(params);
    if (reference) next.set("to", reference);
    else next.delete("to");
    setParams(next, { replace: true, preventScrollReset: true });
  };
  return (
    <Section title={t.title} about={t.about}>
      <Stack>
        {others.length === 0 ? (
          <Text size="sm">{t.alone}</Text>
        ) : (
          <Select label={t.with} placeholder={t.choose} clearable searchable maw={420} value={to?.reference ?? null} onChange={choose} data={others.map((d) => ({ value: d.reference, label: labelOf(d, others) }))} />
        )}
        {to && to.name === summary.name && <Upgrade key={to.reference} from={summary.reference} to={to.reference} />}
        {to && <Difference key={to.reference + " difference"} from={summary.reference} to={to.reference} />}
      </Stack>
    </Section>
  );
}

// labelOf is a definition's name and version, or its reference where several are called
// so.
function labelOf(d: Summary, all: Summary[]): string {
  const twins = all.filter((o) => o.name === d.name && o.version === d.version);
  return twins.length > 1 ? d.reference : `${d.name} ${d.version}`;
}
