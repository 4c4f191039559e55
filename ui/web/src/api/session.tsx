import { queryOptions, useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, useContext, useEffect, type ReactNode } from "react";
import { ask, client, Failure, type Schema } from "./client";

export type Session = Schema<"Me">;

const Context = createContext<Session | undefined>(undefined);

// sessionQuery asks who is signed in.
export const sessionQuery = queryOptions({ queryKey: ["session"], queryFn: () => ask(client.GET("/api/v1/session")), staleTime: 60_000 });

// SessionProvider knows who is signed in. entrance is what those see who are not,
// trouble what all see when the appliance does not answer.
export function SessionProvider(props: {
  children: ReactNode;
  waiting: ReactNode;
  entrance: (session: Session) => ReactNode;
  trouble: (error: Error, again: () => void) => ReactNode;
}) {
  const cache = useQueryClient();
  const session = useQuery(sessionQuery);
  useEffect(() => {
    // An answer "who are you" to anything means that the session has ended.
    return cache.getQueryCache().subscribe((event) => {
      const error = event.query.state.error;
      const ended = event.type === "updated" && event.action.type === "error" && error instanceof Failure && error.problem?.status === 401;
      if (ended && event.query.queryKey[0] !== "session") void cache.invalidateQueries({ queryKey: ["session"] });
    });
  }, [cache]);
  if (session.isPending) return props.waiting;
  if (!session.data) return props.trouble(session.error ?? new Failure(), () => void session.refetch());
  // Where nobody is asked who they are, everybody has rights.
  const inside = session.data.kind !== "anonymous" || (session.data.rights ?? []).includes("system.read");
  return <Context value={session.data}>{inside ? props.children : props.entrance(session.data)}</Context>;
}

// useSession says who is signed in.
export function useSession(): Session {
  const session = useContext(Context);
  if (!session) throw new Error("there is no session outside SessionProvider");
  return session;
}

// useMay says whether who is signed in has a right, by its name in the API's document.
export function useMay(right: string): boolean {
  return (useSession().rights ?? []).includes(right);
}

// useEnter takes over the session of who has just signed in or out: nothing that
// somebody else has read stays.
export function useEnter(): (session: Session) => void {
  const cache = useQueryClient();
  return (session) => {
    cache.removeQueries({ predicate: (q) => q.queryKey[0] !== "session" });
    cache.setQueryData(["session"], session);
  };
}
