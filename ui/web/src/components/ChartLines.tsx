import type { CSSProperties } from "react";
import classes from "./chart.module.css";
import { runs, type Point } from "./ChartScale";

// A line of a chart. The second one is dashed, so that no colour is needed to tell
// them apart.
export type Line = { label: string; values: number[] };

export const lineStyle = (k: number): CSSProperties => Object.fromEntries([["--line", `var(--line-${k})`]]);

// Frame is where and of what a chart is.
export type Frame = {
  width: number;
  height: number;
  margin: { top: number; right: number; bottom: number; left: number };
  from: number;
  until: number;
  top: number; // the largest value that has a place
};

// place turns times and values into places, and back.
export function place({ width, height, margin, from, until, top }: Frame) {
  const right = width - margin.right;
  const bottom = height - margin.bottom;
  const perTime = (right - margin.left) / Math.max(1, until - from);
  return {
    right,
    bottom,
    x: (at: number) => margin.left + (at - from) * perTime,
    y: (value: number) => bottom - (value / top) * (bottom - margin.top),
    time: (x: number) => from + (x - margin.left) / perTime,
  };
}

type LinesProps = { frame: Frame; times: number[]; step: number; lines: Line[]; chosen?: number };

// Lines draws the lines, the first one filled, and marks the time that is chosen.
export function Lines({ frame, times, step, lines, chosen }: LinesProps) {
  const { x, bottom } = place(frame);
  const at = chosen === undefined ? undefined : times[chosen];
  return (
    <g>
      {at !== undefined && <line x1={x(at)} x2={x(at)} y1={frame.margin.top} y2={bottom} className={classes.cursor} />}
      {lines.map((l, k) => (
        <g key={l.label} style={lineStyle(k)}>
          {runs(times.map((time, n) => ({ at: time, value: l.values[n] ?? 0 })), step).map((run) => (
            <Run key={run[0]?.at} run={run} frame={frame} dashed={k > 0} />
          ))}
          {at !== undefined && chosen !== undefined && <circle cx={x(at)} cy={place(frame).y(l.values[chosen] ?? 0)} r={3.5} className={classes.dot} />}
        </g>
      ))}
    </g>
  );
}

// Run is a line between two gaps. One that has a single point is a dot.
function Run({ run, frame, dashed }: { run: Point[]; frame: Frame; dashed: boolean }) {
  const { x, y, bottom } = place(frame);
  const [first, last] = [run[0], run.at(-1)];
  if (!first || !last) return null;
  if (run.length === 1) return <circle cx={x(first.at)} cy={y(first.value)} r={2} className={classes.dot} />;
  const path = run.map((p, k) => `${k === 0 ? "M" : "L"}${x(p.at).toFixed(1)} ${y(p.value).toFixed(1)}`).join("");
  return (
    <g>
      {!dashed && <path d={`${path}L${x(last.at).toFixed(1)} ${bottom}L${x(first.at).toFixed(1)} ${bottom}Z`} className={classes.area} />}
      <path d={path} className={`${classes.line} ${dashed ? classes.dashed : ""}`} />
    </g>
  );
}
