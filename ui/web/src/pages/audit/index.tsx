import { useCallback } from "react";
import { Page, Section } from "../../components/Page";
import { useText } from "../../text";
import { AuditTable } from "./AuditTable";
import { Entry } from "./Entry";
import { useFilter } from "./filter";
import { Filters } from "./Filters";
import { Proof } from "./Proof";

// Audit: who has changed what, and the proof that the log of it is whole.
export default function Audit() {
  const t = useText().audit;
  const filters = useFilter();
  const { set } = filters;
  const close = useCallback(() => set("entry", undefined), [set]);
  return (
    <Page title={t.title} about={t.about}>
      <Proof />
      <Section title={t.list} about={t.listAbout}>
        <Filters {...filters} />
        <AuditTable filter={filters.filter} open={(id) => set("entry", String(id))} />
      </Section>
      <Entry id={filters.entry} close={close} />
    </Page>
  );
}
