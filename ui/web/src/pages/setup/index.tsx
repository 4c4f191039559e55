import { useLocation } from "react-router";
import type { Session } from "../../api/session";
import { Administrator } from "./Administrator";
import { NoLink } from "./NoLink";
import { SignIn } from "./SignIn";

// Entrance is what those see who are not signed in. At the first start that is the
// first step of the setup, for whoever has its link; the others follow inside.
export default function Entrance({ session }: { session: Session }) {
  const { pathname, hash } = useLocation();
  if (!session.setup) return <SignIn session={session} />;
  const secret = pathname === "/setup" ? hash.slice(1) : "";
  return secret ? <Administrator key={secret} secret={secret} /> : <NoLink />;
}
