import { Stack } from "@mantine/core";
import { useMay, useSession } from "../../api/session";
import { Page } from "../../components/Page";
import { Loading } from "../../components/States";
import { useText } from "../../text";
import { useDrives } from "./plugged";
import { Drives } from "./Drives";
import { FirstStep } from "./FirstStep";
import { History } from "./History";
import classes from "./home.module.css";
import { Imports } from "./Imports";
import { Mirrors } from "./Mirrors";
import { useLiveJobs, useMirrors, useStats } from "./queries";
import { Running } from "./Running";
import { Storage } from "./Storage";
import { Verdict } from "./Verdict";

// Home: whether the site is all right, then what it has, does and did. Where nothing
// is yet, there is one thing to do, and nothing that looks like another.
export default function Home() {
  const t = useText();
  const { siteName } = useSession();
  const stats = useStats();
  const live = useLiveJobs();
  const drives = useDrives();
  const mirrors = useMirrors().data;
  const [mayJobs, mayBundles] = [useMay("jobs.read"), useMay("bundles.read")];
  const busy = (live.data?.length ?? 0) > 0;
  const s = stats.data;
  if (stats.isPending) {
    return (
      <Page title={t.home.title} about={siteName}>
        <Verdict />
        <Loading />
      </Page>
    );
  }
  const empty = s !== undefined && s.manifests + s.blobs + s.trashBlobs === 0;
  if (empty && !mirrors?.mirrors?.length) {
    return (
      <Page title={t.home.title} about={siteName}>
        <Verdict />
        {busy && mayJobs ? <Running /> : <FirstStep drives={drives.data ?? []} />}
      </Page>
    );
  }
  return (
    <Page title={t.home.title} about={siteName}>
      <Verdict />
      <div className={classes.grid}>
        <Storage />
        <Stack gap="lg">
          {mayJobs && <Running />}
          {mayBundles && <Drives query={drives} />}
        </Stack>
      </div>
      <History />
      <div className={classes.grid}>
        {mayBundles && <Imports />}
        {mirrors && (mirrors.mirrors?.length ?? 0) > 0 && <Mirrors listing={mirrors} />}
      </div>
    </Page>
  );
}
