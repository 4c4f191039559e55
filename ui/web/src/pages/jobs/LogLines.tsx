import { ActionIcon, Code } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef, useState, type KeyboardEvent } from "react";
import type { Schema } from "../../api/client";
import { ChevronIcon } from "../../components/icons";
import { useFormat } from "../../format";
import { useText } from "../../text";
import classes from "./log.module.css";

type Line = Schema<"JobsLine">;

// LogLines shows lines in a box of their own, of which those in sight are drawn
// only: a log may have thousands.
export function LogLines({ lines, follow }: { lines: Line[]; follow: boolean }) {
  const t = useText().jobs;
  const box = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({ count: lines.length, getScrollElement: () => box.current, estimateSize: () => 24, overscan: 20, getItemKey: (k) => lines[k]?.n ?? k });
  const end = lines.length - 1;
  useEffect(() => {
    if (follow) rows.scrollToIndex(end, { align: "end" });
  }, [follow, end, rows]);
  // The browser's own goes to where the end would be if each line had one row.
  const toEnd = (e: KeyboardEvent) => {
    if (e.key !== "End") return;
    e.preventDefault();
    rows.scrollToIndex(end, { align: "end" });
  };
  return (
    <div ref={box} className={classes.log} tabIndex={0} role="log" aria-label={t.log} onKeyDown={toEnd}>
      <div style={{ height: rows.getTotalSize(), position: "relative" }}>
        {rows.getVirtualItems().map((row) => {
          const line = lines[row.index];
          if (!line) return null;
          return (
            <div key={row.key} data-index={row.index} ref={rows.measureElement} className={classes.place} style={{ transform: `translateY(${row.start}px)` }}>
              <LogLine line={line} />
            </div>
          );
        })}
      </div>
    </div>
  );
}

function LogLine({ line }: { line: Line }) {
  const t = useText().jobs;
  const f = useFormat();
  const [open, setOpen] = useState(false);
  const more = line.data !== undefined && line.data !== null;
  return (
    <div className={classes.line} data-level={line.level}>
      <time dateTime={line.at} title={f.time(line.at)}>
        {f.clock(line.at)}
      </time>
      <span className={classes.level}>{t.level[line.level] ?? line.level}</span>
      <span className={classes.message}>
        {line.message}
        {more && (
          <ActionIcon size="xs" variant="subtle" color="gray" ml={6} aria-label={t.lineData(String(line.n))} aria-expanded={open} onClick={() => setOpen(!open)}>
            <ChevronIcon size={14} style={{ transform: open ? "rotate(90deg)" : undefined }} />
          </ActionIcon>
        )}
        {open && (
          <Code block mt={4} tabIndex={0}>
            {JSON.stringify(line.data, null, 2)}
          </Code>
        )}
      </span>
    </div>
  );
}
