import { Card } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { ask, client } from "../../api/client";
import { useMay, useSession } from "../../api/session";
import { Page } from "../../components/Page";
import { useText } from "../../text";
import { NameGrid } from "./NameGrid";
import { NothingHere } from "./NothingHere";
import { SearchBox } from "./SearchBox";
import { useNames } from "./names";
import { useQueryText } from "./useQueryText";
import { Ways } from "./Ways";

// NamesPage finds names in all repositories.
export function NamesPage() {
  const t = useText().content;
  const search = useQueryText();
  const query = useNames(search.asked);
  const total = useTags();
  return (
    <Page title={t.title} about={t.about}>
      <Ways />
      <Card>
        <SearchBox label={t.searchNames} placeholder={t.searchExample} value={search.text} onChange={search.setText} />
        <NameGrid query={query} asked={search.asked} total={search.asked ? undefined : total} empty={<NothingHere asked={search.asked} clear={() => search.setText("")} />} />
      </Card>
    </Page>
  );
}

// useTags is how many tags the site has, for who may see all of them.
function useTags(): number | undefined {
  const may = useMay("system.read");
  const restricted = useSession().restricted;
  const query = useQuery({ queryKey: ["stats"], queryFn: () => ask(client.GET("/api/v1/stats")), enabled: may && !restricted });
  return query.data?.tags;
}
