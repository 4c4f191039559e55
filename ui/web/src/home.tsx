import { useEffect, useState } from "react";
import { client, told, type Session } from "./client";

type Name = { repository: string; tag: string; digest: string };

// Home lists what can be pulled.
export function Home({ session, onSession }: { session: Session; onSession: (s: Session) => void }) {
  const [names, setNames] = useState<Name[]>();
  const [trouble, setTrouble] = useState<string>();
  useEffect(() => {
    client
      .GET("/api/v1/content/names", { params: { query: { limit: 100 } } })
      .then(({ data, error }) => (data ? setNames(data.items ?? []) : setTrouble(told(error))))
      .catch(() => setTrouble(told(undefined)));
  }, []);
  const signOut = async () => {
    const { data, error } = await client.DELETE("/api/v1/session");
    if (data) onSession(data);
    else setTrouble(told(error));
  };
  return (
    <>
      <h1>Landfall</h1>
      <p>
        {session.name} ({session.role}) <button onClick={signOut}>Sign out</button>
      </p>
      {trouble && <p role="alert">{trouble}</p>}
      {names?.length === 0 && <p>Nothing is here yet: land a bundle.</p>}
      <table>
        <tbody>
          {names?.map((n) => (
            <tr key={`${n.repository}:${n.tag}`}>
              <td>
                {n.repository}:{n.tag}
              </td>
              <td>
                <code>{n.digest.slice(7, 19)}</code>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
