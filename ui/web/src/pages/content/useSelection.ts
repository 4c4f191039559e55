import { useCallback, useMemo, useRef, useState } from "react";

const nothing: ReadonlySet<string> = new Set();

// useSelection has the rows of a list that are chosen, by their ids.
export function useSelection<T>(rows: T[], id: (row: T) => string) {
  const [chosen, setChosen] = useState(nothing);
  const last = useRef<string>(undefined);
  const now = useRef({ rows, id });
  now.current = { rows, id };
  const toggle = useCallback((which: string, range: boolean) => {
    const from = last.current;
    last.current = which;
    setChosen((before) => {
      const next = new Set(before);
      const on = !next.has(which);
      const ids = range && from !== undefined ? between(now.current.rows.map(now.current.id), from, which) : [which];
      for (const one of ids) {
        if (on) next.add(one);
        else next.delete(one);
      }
      return next;
    });
  }, []);
  const toggleAll = useCallback(() => {
    const { rows, id } = now.current;
    setChosen((before) => (rows.length > 0 && rows.every((r) => before.has(id(r))) ? nothing : new Set(rows.map(id))));
  }, []);
  const clear = useCallback(() => setChosen(nothing), []);
  return useMemo(() => ({ chosen, toggle, toggleAll, clear }), [chosen, toggle, toggleAll, clear]);
}

// between are the ids from one to another, whichever is first.
function between(ids: string[], from: string, to: string): string[] {
  const [a, b] = [ids.indexOf(from), ids.indexOf(to)];
  return a < 0 || b < 0 ? [to] : ids.slice(Math.min(a, b), Math.max(a, b) + 1);
}
