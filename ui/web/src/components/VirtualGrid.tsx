import { Box, Text } from "@mantine/core";
import { useVirtualizer, type VirtualItem } from "@tanstack/react-virtual";
import { useCallback, useMemo, useRef, type ReactNode } from "react";
import { useText } from "../text";
import { useGridKeys } from "./VirtualKeys";
import { VirtualRow } from "./VirtualRow";
import { activeRange, useRemembered } from "./VirtualState";
import classes from "./virtual.module.css";

export type GridColumn<T> = {
  head: string;
  // cell shows a row. What takes the focus in there has this tabIndex, so that the
  // Tab key meets the controls of one row only.
  cell: (row: T, tabIndex: 0 | -1) => ReactNode;
  width: string; // a track of a CSS grid
  end?: boolean;
  from?: "medium" | "wide"; // the width of the grid from which on it is shown
};

// GridSelection are rows that are chosen, by their ids.
export type GridSelection = {
  chosen: ReadonlySet<string>;
  toggle: (id: string, range: boolean) => void;
  toggleAll: () => void;
};

export type GridProps<T> = {
  label: string;
  rows: T[];
  columns: GridColumn<T>[]; // the same ones each time, or all is drawn again
  id: (row: T) => string;
  // more reads further rows; absent when there are none.
  more?: () => Promise<unknown>;
  reading?: boolean;
  total?: number; // of all rows, where that is known
  open?: (row: T) => void;
  selection?: GridSelection;
  // place is a name under which it is kept how far one has scrolled. It is the key of
  // the grid, too: another list begins at its start.
  place?: string;
  maxHeight?: string;
};

const rowHeight = 44; // of virtual.module.css

// VirtualGrid is a table of any length: only the rows in sight are in the document,
// and more of them are read as one gets there. Arrows, Page up and down, Home and End
// move in it, Enter opens, Space selects.
export function VirtualGrid<T>(props: GridProps<T>) {
  const { label, rows, columns, id, more, selection } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const remembered = useRemembered(props.place);
  const { active } = remembered;
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 8,
    initialOffset: remembered.offset,
    onChange: (v) => remembered.scrolled(v.scrollOffset ?? 0),
    rangeExtractor: (range) => activeRange(range, active),
  });
  const items = virtual.getVirtualItems();
  const keys = useGridKeys({ ...props, virtual, active, setActive: remembered.setActive, scroller, last: lastInSight(items, active) });
  const cells = useCells(rows, columns);
  const tracks = useMemo(() => tracksOf(columns, !!selection), [columns, selection]);
  const total = more ? (props.total ?? -1) : rows.length;
  return (
    <Box className={classes.frame}>
      <Box className={classes.grid} __vars={tracks} role="grid" aria-label={label} aria-rowcount={total < 0 ? -1 : total + 1} aria-multiselectable={selection ? true : undefined} onKeyDown={keys.onKeyDown}>
        <Head columns={columns} selection={selection} all={rows.length > 0 && !!selection && selection.chosen.size >= rows.length && rows.every((r) => selection.chosen.has(id(r)))} />
        <div ref={scroller} role="rowgroup" className={classes.body} style={{ maxHeight: props.maxHeight }} onWheel={keys.rest} onPointerDown={keys.rest}>
          <div role="presentation" style={{ height: virtual.getTotalSize(), position: "relative" }}>
            {items.map(({ index, start, key }) => {
              const row = rows[index];
              if (row === undefined) return null;
              const name = id(row);
              return <VirtualRow key={key} id={name} cells={cells} index={index} start={start} active={index === active} selected={selection?.chosen.has(name)} toggle={selection?.toggle} activate={remembered.setActive} />;
            })}
          </div>
        </div>
      </Box>
      <ReadingOn shown={keys.toEnd} />
    </Box>
  );
}

// useCells draws the cells of a row.
function useCells<T>(rows: T[], columns: GridColumn<T>[]) {
  return useCallback(
    (index: number, tabIndex: 0 | -1) => {
      const row = rows[index];
      if (row === undefined) return null;
      return columns.map((c) => (
        <span key={c.head} role="gridcell" data-from={c.from} data-end={c.end || undefined}>
          {c.cell(row, tabIndex)}
        </span>
      ));
    },
    [rows, columns],
  );
}

function Head<T>({ columns, selection, all }: { columns: GridColumn<T>[]; selection?: GridSelection; all: boolean }) {
  const t = useText();
  return (
    <div role="rowgroup" className={classes.head}>
      <div role="row" aria-rowindex={1} className={classes.row}>
        {selection && (
          <span role="columnheader" className={classes.check}>
            <input type="checkbox" checked={all} onChange={selection.toggleAll} aria-label={t.content.grid.selectAll} />
          </span>
        )}
        {columns.map((c) => (
          <span key={c.head} role="columnheader" data-from={c.from} data-end={c.end || undefined}>
            {c.head}
          </span>
        ))}
      </div>
    </div>
  );
}

function ReadingOn({ shown }: { shown: boolean }) {
  const t = useText();
  return (
    <Text size="sm" c="dimmed" mt={4} role="status">
      {shown && t.content.grid.readingOn}
    </Text>
  );
}

// tracksOf are the tracks of the columns for each width of the grid.
function tracksOf<T>(columns: GridColumn<T>[], check: boolean) {
  const tracks = (...shown: GridColumn<T>["from"][]) => [...(check ? ["2.25rem"] : []), ...columns.filter((c) => shown.includes(c.from)).map((c) => c.width)].join(" ");
  return { "--wide": tracks(undefined, "medium", "wide"), "--medium": tracks(undefined, "medium"), "--narrow": tracks(undefined) };
}

// lastInSight is the last row in sight or near it. The active row is in the document
// wherever it is.
function lastInSight(items: VirtualItem[], active: number): number {
  const last = items.at(-1);
  return (last?.index === active ? items.at(-2)?.index : last?.index) ?? last?.index ?? 0;
}
