import { useMay } from "../../api/session";
import { Page } from "../../components/Page";
import { useText } from "../../text";
import { Drives } from "./drives/Drives";
import { Imports } from "./imports/Imports";
import { Send } from "./send/Send";
import { Waiting } from "./waiting/Waiting";

// LandPage has the ways by which content comes in, and what has come.
export function LandPage() {
  const t = useText().land;
  const maySend = useMay("uploads.write");
  return (
    <Page title={t.title} about={t.about}>
      {maySend && <Send />}
      {maySend && <Waiting />}
      <Drives />
      <Imports />
    </Page>
  );
}
