import { useQuery, useQueryClient, type QueryClient, type QueryKey } from "@tanstack/react-query";
import { useState } from "react";
import { ask, client, ifMatch, type Schema } from "../../api/client";
import { splitName } from "./names";

export type Consequences = Schema<"Consequences">;

// Loss is what the deletion of a name leads to, or why that cannot be told.
export type Loss = { name: string; consequences?: Consequences; error?: unknown };

// atOnce is how many names can be deleted at once. For more there is the retention
// policy.
export const atOnce = 200;

const width = 4; // requests at a time

// eachOf does something with every item, a few at a time, and returns the results in
// their order.
async function eachOf<A, B>(items: A[], act: (item: A) => Promise<B>): Promise<B[]> {
  const results = new Array<B>(items.length);
  const entries = items.entries();
  const work = async () => {
    for (const [k, item] of entries) results[k] = await act(item);
  };
  await Promise.all(Array.from({ length: width }, work));
  return results;
}

// useLosses tells what the deletion of names would lead to.
export function useLosses(names: string[]) {
  return useQuery({
    queryKey: ["content", "consequences", names],
    staleTime: 0,
    gcTime: 0,
    enabled: names.length <= atOnce,
    queryFn: ({ signal }) =>
      eachOf(names, async (name): Promise<Loss> => {
        try {
          return { name, consequences: await ask(client.GET("/api/v1/content/consequences", { params: { query: { name } }, signal })) };
        } catch (error) {
          return { name, error };
        }
      }),
  });
}

// useDeletion deletes names. What could not be deleted is told by its name.
export function useDeletion() {
  const cache = useQueryClient();
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<Loss[]>([]);
  const remove = async (losses: Consequences[]) => {
    setBusy(true);
    const results = await eachOf(losses, async ({ name, digest }): Promise<Loss> => {
      try {
        await ask(client.DELETE("/api/v1/content/artifact", { params: { query: { name }, ...ifMatch(digest) } }));
        return { name };
      } catch (error) {
        return { name, error };
      }
    });
    const wrong = results.filter((r) => r.error !== undefined);
    setFailed(wrong);
    setBusy(false);
    const gone = losses.filter((_, k) => results[k]?.error === undefined);
    forget(cache, gone);
    return { gone: gone.length, failed: wrong.length };
  };
  return { remove, busy, failed };
}

// forget has lists read anew. The pages of what is gone are not: there is nothing to
// read, and they are being left.
function forget(cache: QueryClient, gone: Consequences[]) {
  const names = new Set<unknown>(gone.flatMap((c) => [c.name, ...(c.tags ?? []).map((tag) => `${splitName(c.name).repository}:${tag}`)]));
  const isGone = (key: QueryKey) => key[1] === "consequences" || (key[1] === "artifact" && names.has(key[2]));
  void cache.invalidateQueries({ queryKey: ["stats"] });
  void cache.invalidateQueries({ queryKey: ["content"], predicate: (q) => !isGone(q.queryKey) });
  void cache.invalidateQueries({ queryKey: ["content"], predicate: (q) => isGone(q.queryKey), refetchType: "none" });
}
