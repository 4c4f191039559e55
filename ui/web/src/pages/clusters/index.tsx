import { Route, Routes } from "react-router";
import { Page } from "../../components/Page";
import { NotFound } from "../../shell/NotFound";
import { useText } from "../../text";
import { DefinitionPage } from "./DefinitionPage";
import { Definitions } from "./Definitions";

// Clusters: the definitions that are at the site, and each with all that it says.
export default function Clusters() {
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
