import { Page } from "../../components/Page";
import { useText } from "../../text";
import { Definitions } from "./Definitions";

// Clusters: the definitions that are at the site.
export default function Clusters() {
  const t = useText().clusters;
  return (
    <Page title={t.title} about={t.about}>
      <Definitions />
    </Page>
  );
}
