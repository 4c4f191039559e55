import { Route, Routes } from "react-router";
import { NotFound } from "../../shell/NotFound";
import { LandPage } from "./LandPage";
import { ReviewPage } from "./review/ReviewPage";

// Land: how content comes to the site, from this computer or from a drive.
export default function Land() {
  return (
    <Routes>
      <Route index element={<LandPage />} />
      <Route path="review" element={<ReviewPage />} />
      <Route path="*" element={<NotFound />} />
    </Routes>
  );
}
