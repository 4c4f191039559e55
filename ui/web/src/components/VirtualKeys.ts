import type { Virtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef, useState, type KeyboardEvent, type RefObject } from "react";
import type { GridProps } from "./VirtualGrid";

// ahead is how many rows before the end of what is here more is read.
const ahead = 300;

type Keyed<T> = GridProps<T> & {
  virtual: Virtualizer<HTMLDivElement, Element>;
  active: number;
  setActive: (index: number) => void;
  scroller: RefObject<HTMLDivElement | null>;
  last: number; // row in sight
};

// useGridKeys moves in a grid by the keyboard, and reads more rows in time. The End
// key reads on until all is here, or until one turns to something else.
export function useGridKeys<T>(grid: Keyed<T>) {
  const { rows, more, reading, active, setActive, scroller, virtual, last } = grid;
  const [toEnd, setToEnd] = useState(false);
  const focus = useRef<number>(undefined); // the row that is to have the focus
  const count = rows.length;

  const wanted = more !== undefined && !reading && (toEnd || last >= count - ahead);
  useEffect(() => {
    if (wanted) void more();
  }, [wanted, more, count]);

  // Each time that rows have come, the end is further down. The focus goes along,
  // unless one is elsewhere by now.
  useEffect(() => {
    if (!toEnd || count === 0) return;
    if (scroller.current?.contains(document.activeElement)) focus.current = count - 1;
    setActive(count - 1);
    virtual.scrollToIndex(count - 1);
    if (!more) setToEnd(false);
  }, [toEnd, count, more, setActive, virtual, scroller]);

  // The row may come into the document only now.
  useEffect(() => {
    if (focus.current === undefined) return;
    const row = scroller.current?.querySelector<HTMLElement>(`[data-index="${focus.current}"]`);
    if (!row) return;
    focus.current = undefined;
    row.focus({ preventScroll: true });
  });

  const go = (index: number) => {
    const to = Math.max(0, Math.min(count - 1, index));
    focus.current = to;
    setActive(to);
    virtual.scrollToIndex(to);
  };
  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    if (event.altKey || event.ctrlKey || event.metaKey || count === 0) return;
    const page = Math.max(1, Math.floor((virtual.scrollRect?.height ?? 0) / virtual.options.estimateSize(0)) - 1);
    const steps: Record<string, () => void> = {
      ArrowDown: () => go(active + 1),
      ArrowUp: () => go(active - 1),
      PageDown: () => go(active + page),
      PageUp: () => go(active - page),
      Home: () => go(0),
      End: () => {
        go(count - 1);
        setToEnd(more !== undefined);
      },
      ...onRow(event, grid, active),
    };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    if (event.key !== "End") setToEnd(false);
    step();
  };
  return { onKeyDown, toEnd, rest: () => setToEnd(false) };
}

// onRow are the keys of the row itself, not of the links and boxes in it.
function onRow<T>(event: KeyboardEvent<HTMLElement>, grid: Keyed<T>, active: number): Record<string, () => void> {
  const row = grid.rows[active];
  if (row === undefined || !(event.target instanceof HTMLElement) || event.target.dataset.index === undefined) return {};
  const { open, selection } = grid;
  return {
    ...(open && { Enter: () => open(row) }),
    ...(selection && { " ": () => selection.toggle(grid.id(row), event.shiftKey) }),
  };
}
