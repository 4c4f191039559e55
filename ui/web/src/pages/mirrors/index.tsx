import { Route, Routes } from "react-router";
import { NotFound } from "../../shell/NotFound";
import { MirrorsPage } from "./MirrorsPage";
import { RunPage } from "./RunPage";

// Mirrors: what is kept level with registries elsewhere, and each run with what it changed.
export default function Mirrors() {
  return (
    <Routes>
      <Route index element={<MirrorsPage />} />
      <Route path="runs/:id" element={<RunPage />} />
      <Route path="*" element={<NotFound />} />
    </Routes>
  );
}
