import { lazy } from "react";
import { Route, Routes } from "react-router";
import { NotFound } from "../../shell/NotFound";
import { NamesPage } from "./NamesPage";
import { RepositoriesPage } from "./RepositoriesPage";
import { RepositoryPage } from "./RepositoryPage";

const ArtifactPage = lazy(() => import("./artifact"));
const ExportsPage = lazy(() => import("./ExportsPage"));
const SpacePage = lazy(() => import("./space"));

// Content: what is here, what each of it is made of, and the room that it takes.
export default function Content() {
  return (
    <Routes>
      <Route index element={<NamesPage />} />
      <Route path="repositories" element={<RepositoriesPage />} />
      <Route path="r/*" element={<RepositoryPage />} />
      <Route path="a" element={<ArtifactPage />} />
      <Route path="exports" element={<ExportsPage />} />
      <Route path="space" element={<SpacePage />} />
      <Route path="*" element={<NotFound />} />
    </Routes>
  );
}
