import { Route, Routes } from "react-router";
import { useMay } from "../../api/session";
import { ClusterIcon } from "../../components/icons";
import { Page } from "../../components/Page";
import { Empty } from "../../components/States";
import { NotFound } from "../../shell/NotFound";
import { useText } from "../../text";
import { DefinitionPage } from "./DefinitionPage";
import { Definitions } from "./Definitions";

// Clusters: the definitions that are at the site, and each with all that it says.
export default function Clusters() {
  const may = useMay("definitions.read");
  if (!may) return <NotAllowed />;
  return (
    <Routes>
      <Route index element={<DefinitionsPage />} />
      <Route path="d" element={<DefinitionPage />} />
      <Route path="*" element={<NotFound />} />
    </Routes>
  );
}

function DefinitionsPage() {
  const t = useText().clusters;
  return (
    <Page title={t.title} about={t.about}>
      <Definitions />
    </Page>
  );
}

// NotAllowed is for those who may look at content, but not at definitions.
function NotAllowed() {
  const t = useText();
  const { what, act } = t.shell.failure[403];
  return (
    <Page title={t.clusters.title}>
      <Empty icon={<ClusterIcon />} title={what}>
        {act}
      </Empty>
    </Page>
  );
}
