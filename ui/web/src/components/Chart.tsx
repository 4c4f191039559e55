import { Box, Text } from "@mantine/core";
import { useLayoutEffect, useRef, useState, type KeyboardEvent } from "react";
import { useFormat } from "../format";
import { useText } from "../text";
import classes from "./chart.module.css";
import { lineStyle, Lines, place, type Frame, type Line } from "./ChartLines";
import { bytesTicks, day, nearest, timeTicks } from "./ChartScale";
import { DataTable, type Column } from "./DataTable";
import { Folded } from "./Folded";

type ChartProps = {
  label: string;
  from: number; // milliseconds, like all times here
  until: number;
  step: number; // between two times that follow each other
  times: number[];
  lines: Line[];
  // value writes a number of a line.
  value: (n: number) => string;
  // more is told of a time beside the lines.
  more?: { label: string; values: string[] };
};

const height = 200;
const margin = { top: 8, right: 8, bottom: 22, left: 64 };

// Chart draws bytes over time. It can be read with the pointer, with the arrow keys,
// and as a table.
export function Chart(props: ChartProps) {
  const t = useText().common;
  const { ref, width } = useWidth();
  const [chosen, setChosen] = useState<number>();
  const { times, lines, from, until } = props;
  const ticks = bytesTicks(Math.max(0, ...lines.flatMap((l) => l.values)));
  const frame: Frame = { width: Math.max(width, 120), height, margin, from, until, top: ticks.at(-1) ?? 1 };
  const last = times.length - 1;
  const at = Math.min(chosen ?? last, last);
  const told = useTold(props, at);
  const onKeyDown = (e: KeyboardEvent) => {
    const moves: Record<string, number> = { ArrowLeft: at - 1, ArrowRight: at + 1, PageUp: at - 10, PageDown: at + 10, Home: 0, End: last };
    const to = moves[e.key];
    if (to === undefined) return;
    e.preventDefault();
    setChosen(Math.max(0, Math.min(last, to)));
  };
  return (
    <Box className={classes.chart}>
      <Legend {...props} at={at} />
      <div
        ref={ref}
        className={classes.plot}
        role="slider"
        tabIndex={0}
        aria-label={props.label}
        aria-valuemin={0}
        aria-valuemax={Math.max(last, 0)}
        aria-valuenow={Math.max(at, 0)}
        aria-valuetext={told}
        onKeyDown={onKeyDown}
        onBlur={() => setChosen(undefined)}
        onPointerMove={(e) => setChosen(nearest(times, place(frame).time(e.clientX - e.currentTarget.getBoundingClientRect().left)))}
        onPointerLeave={() => setChosen(undefined)}
      >
        <svg width={frame.width} height={height} aria-hidden="true">
          <Axes frame={frame} ticks={ticks} value={props.value} />
          <Lines frame={frame} times={times} step={props.step} lines={lines} chosen={chosen === undefined ? undefined : at} />
        </svg>
      </div>
      <Folded title={t.asTable}>
        <ChartTable {...props} />
      </Folded>
    </Box>
  );
}

// useWidth is how wide an element is.
function useWidth() {
  const ref = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    const measure = () => setWidth(element.clientWidth);
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);
  return { ref, width };
}

// useTold is what there is to say of a time.
function useTold({ times, lines, value, more }: ChartProps, at: number): string {
  const f = useFormat();
  const time = times[at];
  if (time === undefined) return "";
  const parts = lines.map((l) => `${l.label} ${value(l.values[at] ?? 0)}`);
  if (more) parts.push(`${more.label} ${more.values[at] ?? ""}`);
  return `${f.time(time)}: ${parts.join(", ")}`;
}

function Legend({ times, lines, value, more, at }: ChartProps & { at: number }) {
  const f = useFormat();
  const time = times[at];
  return (
    <ul className={classes.legend}>
      {lines.map((l, k) => (
        <li key={l.label}>
          <svg width="22" height="10" aria-hidden="true" style={lineStyle(k)}>
            <path d="M0 5H22" className={`${classes.line} ${k > 0 ? classes.dashed : ""}`} />
          </svg>
          {l.label} <strong>{value(l.values[at] ?? 0)}</strong>
        </li>
      ))}
      {more && (
        <li>
          {more.label} <strong>{more.values[at] ?? ""}</strong>
        </li>
      )}
      {time !== undefined && <li className={classes.time}>{f.time(time)}</li>}
    </ul>
  );
}

function Axes({ frame, ticks, value }: { frame: Frame; ticks: number[]; value: (n: number) => string }) {
  const f = useFormat();
  const { x, y, right, bottom } = place(frame);
  const times = timeTicks(frame.from, frame.until, Math.max(2, (right - margin.left) / 84));
  const midnight = (tick: number) => new Date(tick).getHours() + new Date(tick).getMinutes() === 0;
  return (
    <g>
      {ticks.map((tick) => (
        <g key={tick}>
          <line x1={margin.left} x2={right} y1={y(tick)} y2={y(tick)} className={classes.grid} />
          <text x={margin.left - 6} y={y(tick)} textAnchor="end" dominantBaseline="middle" className={classes.axis}>
            {value(tick)}
          </text>
        </g>
      ))}
      {times.ticks.map((tick) => (
        <g key={tick}>
          <line x1={x(tick)} x2={x(tick)} y1={bottom} y2={bottom + 4} className={classes.grid} />
          <text x={Math.min(x(tick), right - 14)} y={bottom + 15} textAnchor="middle" className={classes.axis}>
            {times.spacing >= day || midnight(tick) ? f.day(tick) : f.hour(tick)}
          </text>
        </g>
      ))}
    </g>
  );
}

type Row = { k: number; time: number };

// ChartTable has the numbers, the newest first.
function ChartTable({ label, times, lines, value, more }: ChartProps) {
  const t = useText().common;
  const f = useFormat();
  const rows = times.map((time, k) => ({ k, time })).reverse();
  const columns: Column<Row>[] = [
    { head: t.time, cell: (r) => <span style={{ whiteSpace: "nowrap" }}>{f.time(r.time)}</span> },
    ...lines.map((l): Column<Row> => ({ head: l.label, cell: (r) => value(l.values[r.k] ?? 0), end: true })),
    ...(more ? [{ head: more.label, cell: (r: Row) => more.values[r.k], end: true }] : []),
  ];
  return (
    <Box mah={320} style={{ overflowY: "auto" }}>
      <DataTable label={label} rows={rows} columns={columns} id={(r) => String(r.k)} />
    </Box>
  );
}

// NoChart stands where there is not enough to draw yet.
export function NoChart({ children }: { children: string }) {
  return (
    <Text c="dimmed" size="sm" py="xl" ta="center">
      {children}
    </Text>
  );
}
