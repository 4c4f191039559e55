import { Route, Routes } from "react-router";
import { NotFound } from "../../shell/NotFound";
import { JobList } from "./JobList";
import { JobPage } from "./JobPage";

// Jobs: what runs and has run, and each job with its log.
export default function Jobs() {
  return (
    <Routes>
      <Route index element={<JobList />} />
      <Route path=":id" element={<JobPage />} />
      <Route path="*" element={<NotFound />} />
    </Routes>
  );
}
