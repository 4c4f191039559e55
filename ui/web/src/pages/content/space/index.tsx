import { Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { ask, client, type Schema } from "../../../api/client";
import { useMay, useSession } from "../../../api/session";
import { Page } from "../../../components/Page";
import { Shown } from "../../../components/States";
import { useText } from "../../../text";
import { NotFound } from "../../../shell/NotFound";
import { Ways } from "../Ways";
import { Collection } from "./Collection";
import { Pins } from "./Pins";
import { Policy } from "./Policy";
import { Scrub } from "./Scrub";
import { Trash } from "./Trash";

export type Stats = Schema<"Stats">;

// SpacePage is about the room that content takes: what is in the trash, what a
// collection would take out and why the rest stays, and whether all of it is whole.
export default function SpacePage() {
  const t = useText().content.space;
  const restricted = useSession().restricted;
  const mayStats = useMay("system.read");
  const stats = useQuery({
    queryKey: ["stats"],
    queryFn: () => ask(client.GET("/api/v1/stats")),
    enabled: mayStats && !restricted,
    refetchInterval: (q) => (q.state.data?.scrub.running || q.state.data?.collect.running ? 2000 : false),
  });
  if (restricted) return <NotFound />;
  return (
    <Page title={t.title} about={t.about}>
      <Ways />
      <Stack>
        {mayStats && <Shown query={stats}>{(s) => <Trash stats={s} />}</Shown>}
        <Collection />
        <Policy />
        <Pins />
        {stats.data && <Scrub stats={stats.data} />}
      </Stack>
    </Page>
  );
}
