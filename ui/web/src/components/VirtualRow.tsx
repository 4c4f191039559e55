import { memo, useRef, type ReactNode } from "react";
import { useText } from "../text";
import type { GridSelection } from "./VirtualGrid";
import classes from "./virtual.module.css";

type RowProps = {
  id: string;
  cells: (index: number, tabIndex: 0 | -1) => ReactNode;
  index: number;
  start: number; // pixels from the first row
  active: boolean;
  selected?: boolean;
  toggle?: GridSelection["toggle"];
  activate: (index: number) => void;
};

// VirtualRow is one row: it is drawn again only when something of it changes.
export const VirtualRow = memo(function VirtualRow({ id, cells, index, start, active, selected, toggle, activate }: RowProps) {
  const t = useText();
  const range = useRef(false); // whether Shift was held
  const tabIndex = active ? 0 : -1;
  return (
    <div
      role="row"
      aria-rowindex={index + 2}
      aria-selected={selected}
      data-index={index}
      tabIndex={tabIndex}
      className={classes.row}
      style={{ transform: `translateY(${start}px)` }}
      onFocus={() => activate(index)}
      onMouseDown={(e) => (range.current = e.shiftKey)}
    >
      {toggle && (
        <span role="gridcell" className={classes.check}>
          <input type="checkbox" checked={selected ?? false} tabIndex={tabIndex} onChange={() => toggle(id, range.current)} aria-label={t.content.grid.select(id)} />
        </span>
      )}
      {cells(index, tabIndex)}
    </div>
  );
});
