import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ask, client, Failure, ifMatch } from "../../../api/client";
import { useText } from "../../../text";
import { all, valuesKey } from "../queries";
import { planOf, type Draft, type Drafts, type Plan, type Variable } from "./values";

// Writing is what is being written, and what was wrong with it when it was to be saved.
export type Writing = {
  drafts: Drafts;
  write: (name: string, draft: Draft | undefined) => void;
  changed: boolean;
  error: (name: string) => string | undefined;
  // rest is what is wrong and belongs to no field that is shown.
  rest?: Error;
  stale: boolean; // somebody else was faster
  save: () => void;
  saving: boolean;
  discard: () => void;
};

// useDrafts keeps what is written until it is saved. It is saved over the revision that
// is shown, and over no other.
export function useDrafts(reference: string, revision: number, shown: Variable[]): Writing {
  const t = useText().clusters.values;
  const cache = useQueryClient();
  const [drafts, setDrafts] = useState<Drafts>({});
  const [noJson, setNoJson] = useState<string[]>([]);
  const change = useMutation({
    mutationFn: ({ set, unset }: Pick<Plan, "set" | "unset">) =>
      ask(client.PATCH("/api/v1/definitions/values", { params: { query: { name: reference }, ...ifMatch(revision) }, body: { set, unset } })),
    onSuccess: (listing) => {
      cache.setQueryData(valuesKey(reference), listing); // before the drafts go, or what was there would be seen for a moment
      notifications.show({ color: "teal", message: t.saved });
      setDrafts({});
    },
    onSettled: () => cache.invalidateQueries({ queryKey: all }),
  });
  const failure = change.error instanceof Failure ? change.error : undefined;
  const error = (name: string) => (noJson.includes(name) ? t.noJson : failure?.field(`set.${name}`));
  return {
    drafts,
    write: (name, draft) => {
      setDrafts(({ [name]: _, ...others }) => (draft === undefined ? others : { ...others, [name]: draft }));
      setNoJson((list) => list.filter((n) => n !== name));
    },
    changed: Object.keys(drafts).length > 0,
    error,
    rest: change.error && !belongs(failure, shown) ? change.error : undefined,
    stale: failure?.problem?.status === 409 || failure?.problem?.status === 412,
    save: () => {
      const plan = planOf(shown, drafts);
      setNoJson(plan.noJson);
      if (plan.noJson.length === 0) change.mutate(plan);
    },
    saving: change.isPending,
    discard: () => {
      setDrafts({});
      setNoJson([]);
      change.reset();
    },
  };
}

// belongs says whether all that is wrong is told at fields.
function belongs(failure: Failure | undefined, shown: Variable[]): boolean {
  const errors = failure?.problem?.errors ?? [];
  const places = new Set(shown.map((v) => `body.set.${v.name}`));
  return errors.length > 0 && errors.every((e) => places.has(e.location ?? ""));
}
