import { Stack } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { ask, client } from "../../api/client";
import { Page } from "../../components/Page";
import { Shown } from "../../components/States";
import { useText } from "../../text";
import { Authority } from "./Authority";
import { Choice } from "./Choice";
import { Credentials } from "./Credentials";
import { Files } from "./Files";
import { Then } from "./Then";
import { useChoice } from "./useChoice";

// Hosts: what hosts need to pull from here by original names.
export default function Hosts() {
  const t = useText().hosts;
  const choice = useChoice();
  const { kind, registry, upstreams } = choice;
  const query = useQuery({
    queryKey: ["hosts", kind, registry, upstreams],
    queryFn: () =>
      ask(
        client.GET("/api/v1/hosts/node-config/{kind}", {
          params: { path: { kind }, query: { registry, upstream: upstreams.length > 0 ? upstreams : undefined } },
          querySerializer: { array: { style: "form", explode: false } },
        }),
      ),
    placeholderData: keepPreviousData,
  });
  const made = query.isPlaceholderData || query.error ? undefined : query.data;
  return (
    <Page title={t.title} about={t.about}>
      <Choice choice={choice} error={query.error} />
      {!query.error && (
        <Shown query={{ ...query, data: made, isPending: query.isPending || query.isPlaceholderData }}>
          {(config) => (
            <Stack gap="lg">
              <Files kind={kind} registry={registry} config={config} />
              <Then kind={kind} registry={registry} />
              <Authority kind={kind} registry={registry} />
              <Credentials kind={kind} registry={registry} />
            </Stack>
          )}
        </Shown>
      )}
    </Page>
  );
}
