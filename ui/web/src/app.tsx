import { useEffect, useState } from "react";
import { client, told, type Session } from "./client";
import { Home } from "./home";
import { SignIn } from "./signin";

// App shows who is signed in what is here, and everybody else how to sign in.
export function App() {
  const [session, setSession] = useState<Session>();
  const [trouble, setTrouble] = useState<string>();
  useEffect(() => {
    client
      .GET("/api/v1/session")
      .then(({ data, error }) => (data ? setSession(data) : setTrouble(told(error))))
      .catch(() => setTrouble(told(undefined)));
  }, []);
  if (trouble) return <p role="alert">{trouble}</p>;
  if (!session) return <p>One moment.</p>;
  if (session.kind === "anonymous") return <SignIn setup={session.setup} onSession={setSession} />;
  return <Home session={session} onSession={setSession} />;
}
