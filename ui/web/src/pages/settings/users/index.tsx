import { Route, Routes } from "react-router";
import { NotFound } from "../../../shell/NotFound";
import { UserList } from "./UserList";
import { UserPage } from "./UserPage";

// Users: who may sign in, and each user with sessions and tokens.
export default function Users() {
  return (
    <Routes>
      <Route index element={<UserList />} />
      <Route path=":id" element={<UserPage />} />
      <Route path="*" element={<NotFound />} />
    </Routes>
  );
}
