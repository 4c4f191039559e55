import { useState, type FormEvent } from "react";
import { client, told, type Session } from "./client";

// SignIn asks for a name and a password. Behind the # of the first start's link is
// the secret by which the first administrator is made.
export function SignIn({ setup, onSession }: { setup: boolean; onSession: (s: Session) => void }) {
  const [trouble, setTrouble] = useState<string>();
  const secret = window.location.hash.slice(1);
  const first = setup && secret !== "";
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const body = { name: String(fields.get("name")), password: String(fields.get("password")) };
    const { data, error } = first
      ? await client.POST("/api/v1/setup", { body: { ...body, secret } })
      : await client.POST("/api/v1/session", { body });
    if (!data) {
      setTrouble(told(error));
      return;
    }
    window.history.replaceState(null, "", "/");
    onSession(data);
  };
  return (
    <form onSubmit={submit}>
      <h1>Landfall</h1>
      <p>{first ? "Make the first administrator." : setup ? "Nobody can sign in yet: open the link that the console shows." : "Sign in."}</p>
      <label>
        Name
        <input name="name" autoComplete="username" required />
      </label>
      <label>
        Password{first && ", at least 12 characters"}
        <input name="password" type="password" autoComplete={first ? "new-password" : "current-password"} required />
      </label>
      {trouble && <p role="alert">{trouble}</p>}
      <button type="submit">{first ? "Begin" : "Sign in"}</button>
    </form>
  );
}
