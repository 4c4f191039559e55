import { Alert, Stack, Text } from "@mantine/core";
import type { Schema } from "../../../api/client";
import { useMay } from "../../../api/session";
import { Section } from "../../../components/Page";
import { Shown } from "../../../components/States";
import { useText } from "../../../text";
import { useValues } from "../queries";
import { ValuesForm } from "./ValuesForm";
import { ValuesTable } from "./ValuesTable";
import type { Group } from "./values";

// Values are what the site says to the variables of a definition: a form for those who
// may say it, a table for the others. Hidden variables are not shown, but for what is
// wrong with them.
export function Values({ reference, groups }: { reference: string; groups: Group[] }) {
  const t = useText().clusters.values;
  const query = useValues(reference);
  return (
    <Section title={t.title} about={t.about}>
      <Shown query={query}>{(listing) => <Listed reference={reference} listing={listing} groups={groups} />}</Shown>
    </Section>
  );
}

function Listed({ reference, listing, groups }: { reference: string; listing: Schema<"SitevaluesListing">; groups: Group[] }) {
  const t = useText().clusters.values;
  const may = useMay("definitions.write");
  const all = listing.variables ?? [];
  const shown = all.filter((v) => !v.hidden);
  const wrong = all.filter((v) => v.hidden && v.problem);
  return (
    <Stack>
      {listing.locked && <Alert color="blue">{t.locked}</Alert>}
      {wrong.map((v) => (
        <Alert key={v.name} color="yellow" title={v.title || v.name}>
          <Text size="sm">{v.problem}</Text>
        </Alert>
      ))}
      {shown.length === 0 && <Text size="sm">{t.none}</Text>}
      {shown.length > 0 && (may ? <ValuesForm reference={reference} listing={listing} shown={shown} groups={groups} /> : <ValuesTable rows={shown} />)}
    </Stack>
  );
}
