import { useMutation, useQueryClient } from "@tanstack/react-query";
import { ask, client, ifMatch, type Schema } from "../../../api/client";

type User = Schema<"User">;

// useChange changes a user of the version that is shown.
export function useChange(user: User) {
  const cache = useQueryClient();
  const params = { path: { id: user.id }, ...ifMatch(user.version) };
  return useMutation({
    mutationFn: (body: Schema<"UserPatch">) => ask(client.PATCH("/api/v1/users/{id}", { params, body })),
    onError: () => cache.invalidateQueries({ queryKey: ["users"] }), // it may have changed meanwhile
    onSuccess: (now) => {
      cache.setQueryData(["users", user.id], now);
      // Sessions end with a change of what the user may do.
      return Promise.all(["users", "tokens", "session"].map((key) => cache.invalidateQueries({ queryKey: [key] })));
    },
  });
}
