import { Loader, Stack, Text, Group } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { ask, client } from "../../../api/client";
import { useMay } from "../../../api/session";
import { Empty, Trouble } from "../../../components/States";
import { LandIcon } from "../../../components/icons";
import { Page } from "../../../components/Page";
import { useText } from "../../../text";
import { Manifest } from "../manifest/Manifest";
import { driveName, useDrives } from "../drives/drives";
import { Beside } from "./Beside";
import { LandForm } from "./LandForm";
import { Landing } from "./Landing";
import { useSource, type Source } from "./source";

// ReviewPage shows what a file carries before it lands, and then how it lands.
export function ReviewPage() {
  const t = useText().land;
  const { source, job, setJob, setSignatures } = useSource();
  const name = useName(source);
  const path = [{ to: "/land", label: t.title }];
  if (!source) {
    return (
      <Page title={t.review.title} path={path}>
        <Empty icon={<LandIcon />} title={t.review.noSource}>
          {t.about}
        </Empty>
      </Page>
    );
  }
  if (job) {
    return (
      <Page title={t.landing.title(name?.short ?? "")} path={path}>
        <Landing id={job} />
      </Page>
    );
  }
  return (
    <Page title={name?.short ?? t.review.title} about={t.review.about} path={path}>
      {source.upload && <Beside source={source} choose={setSignatures} />}
      <Seen source={source} from={name?.long} landed={setJob} />
    </Page>
  );
}

function Seen({ source, from, landed }: { source: Source; from?: string; landed: (job: string) => void }) {
  const t = useText().land;
  const query = useQuery({
    queryKey: ["bundles", "inspect", source],
    queryFn: ({ signal }) => ask(client.POST("/api/v1/bundles/inspect", { body: source, signal })),
    staleTime: 30_000,
  });
  if (query.isPending) {
    return (
      <Group role="status">
        <Loader size="sm" aria-hidden="true" />
        <Text>{t.review.asks}</Text>
      </Group>
    );
  }
  if (!query.data) return <Trouble error={query.error} again={() => void query.refetch()} />;
  return (
    <Stack>
      {query.error && <Trouble error={query.error} again={() => void query.refetch()} />}
      <Manifest seen={query.data} from={from}>
        <LandForm source={source} seen={query.data} landed={landed} />
      </Manifest>
    </Stack>
  );
}

// useName is what people call a source.
function useName(source?: Source): { short: string; long: string } | undefined {
  const t = useText().land;
  const maySend = useMay("uploads.write");
  const { upload = "", drive = "", file = "" } = source ?? {};
  const sent = useQuery({ queryKey: ["uploads", "one", upload], queryFn: () => ask(client.GET("/api/v1/uploads/{id}", { params: { path: { id: upload } } })), enabled: upload !== "" && maySend });
  const drives = useDrives(drive !== "");
  if (upload) return sent.data && { short: sent.data.name, long: sent.data.name };
  const plugged = drives.data?.find((d) => d.id === drive);
  const candidate = plugged?.candidates?.find((c) => c.id === file);
  if (!plugged || !candidate) return undefined;
  return { short: candidate.name.split("/").at(-1) ?? candidate.name, long: `${candidate.name} ${t.review.onDrive(driveName(plugged, t.drives))}` };
}
