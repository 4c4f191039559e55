import { Alert, Button, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { ask, client, Failure, type Schema } from "../../api/client";
import { useMay } from "../../api/session";
import { Facts } from "../../components/Facts";
import { InfoIcon, MirrorIcon, RefreshIcon, WarningIcon } from "../../components/icons";
import { Page, Section } from "../../components/Page";
import { Empty, Shown, Trouble } from "../../components/States";
import { useFormat } from "../../format";
import { useText } from "../../text";
import { MirrorTable } from "./MirrorTable";
import { NoFile } from "./NoFile";
import { RunList } from "./RunList";
import { useRunMirrors, whileIdle, whileRunning } from "./shared";

type Listing = Schema<"Listing">;

const busy = (list?: Listing) => list?.mirrors?.some((m) => m.state === "running" || m.state === "waiting") ?? false;

// MirrorsPage shows the mirrors of the file, and what they did.
export function MirrorsPage() {
  const t = useText().mirrors;
  const query = useQuery({
    queryKey: ["mirrors", "list"],
    queryFn: () => ask(client.GET("/api/v1/mirrors")),
    refetchInterval: ({ state }) => (busy(state.data) ? whileRunning : whileIdle),
  });
  // An appliance without a mirror file has no mirrors to ask for.
  if (query.error instanceof Failure && query.error.kind === "not_found") {
    return (
      <Page title={t.title} about={t.about}>
        <NoFile />
      </Page>
    );
  }
  return (
    <Page title={t.title} about={t.about}>
      <Shown query={query}>{(list) => <Mirrors list={list} />}</Shown>
    </Page>
  );
}

function Mirrors({ list }: { list: Listing }) {
  const t = useText().mirrors;
  const may = useMay("mirrors.write");
  const run = useRunMirrors();
  const mirrors = list.mirrors ?? [];
  const some = mirrors.some((m) => !m.onDemand && !m.offline);
  const all = may && some && (
    <Button leftSection={<RefreshIcon size={16} />} loading={run.isPending} disabled={busy(list)} onClick={() => run.mutate([])}>
      {t.runAll}
    </Button>
  );
  return (
    <Stack gap="lg">
      <FileState list={list} />
      <Section title={t.list} actions={all}>
        <Stack gap="sm">
          {run.error && <Trouble error={run.error} />}
          {mirrors.length === 0 ? (
            <Empty icon={<MirrorIcon />} title={t.empty}>
              {t.emptyText}
            </Empty>
          ) : (
            <MirrorTable rows={mirrors} />
          )}
        </Stack>
      </Section>
      <RunList />
    </Stack>
  );
}

// FileState says from which file the mirrors are, and what is wrong with it.
function FileState({ list }: { list: Listing }) {
  const t = useText().mirrors;
  const f = useFormat();
  return (
    <>
      {list.problem && (
        <Alert color="red" icon={<WarningIcon />} title={t.problem}>
          <div style={{ overflowWrap: "anywhere" }}>{list.problem}</div>
          {t.problemText}
        </Alert>
      )}
      {list.offline && (
        <Alert color="yellow" icon={<InfoIcon />}>
          {t.offline}
        </Alert>
      )}
      <Facts
        items={[
          [t.file, list.file],
          [t.loaded, f.time(list.loaded)],
        ]}
      />
    </>
  );
}
