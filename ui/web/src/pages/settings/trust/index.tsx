import { useText } from "../../../text";
import { Page } from "../../../components/Page";
import { Channels } from "./Channels";
import { Images } from "./Images";
import { Keys } from "./Keys";
import { Policy } from "./Policy";

// Trust says whose bundles and images the site lets in, and what was let in so far.
export default function Trust() {
  const t = useText().settings.trust;
  return (
    <Page title={t.title} about={t.about}>
      <Keys />
      <Policy />
      <Channels />
      <Images />
    </Page>
  );
}
