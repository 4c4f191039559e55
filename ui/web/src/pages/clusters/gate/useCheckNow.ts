import { useMutation, useQueryClient } from "@tanstack/react-query";
import { ask, client } from "../../../api/client";
import { all } from "../queries";

// useCheckNow asks the gate, which reads every byte when that is asked for, and keeps
// what it finds.
export function useCheckNow(reference: string) {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: (deep: boolean) => ask(client.POST("/api/v1/definitions/check", { body: { name: reference, deep } })),
    onSuccess: () => cache.invalidateQueries({ queryKey: all }),
  });
}

export type CheckNow = ReturnType<typeof useCheckNow>;
