import { useCallback } from "react";
import { useSearchParams } from "react-router";

const names = ["actor", "action", "target", "outcome", "since", "until"] as const;
type Name = (typeof names)[number];
export type Filter = Partial<Record<Name, string>>;

// useFilter keeps in the address what is looked for, so that it can be passed on.
export function useFilter() {
  const [params, setParams] = useSearchParams();
  const filter: Filter = {};
  for (const name of names) {
    const value = params.get(name);
    if (value && (!isTime(name) || !Number.isNaN(Date.parse(value)))) filter[name] = value;
  }
  const set = useCallback(
    (name: Name | "entry", value: string | undefined) =>
      setParams(
        (old) => {
          const next = new URLSearchParams(old);
          if (value) next.set(name, value);
          else next.delete(name);
          return next;
        },
        { replace: name !== "entry" },
      ),
    [setParams],
  );
  const entry = Number(params.get("entry")) || undefined;
  return { filter, entry, set, reset: () => setParams({}, { replace: true }) };
}

const isTime = (name: Name) => name === "since" || name === "until";

// localTime is a time as the browser's field for it wants it, in the local zone.
export function localTime(iso: string | undefined): string {
  if (!iso) return "";
  const at = new Date(iso);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

// fromLocal is the time that such a field holds, for everybody.
export function fromLocal(value: string): string | undefined {
  const at = value ? new Date(value) : undefined;
  return at && !Number.isNaN(at.getTime()) ? at.toISOString() : undefined;
}
