// What a chart's axes say, apart from how they look.

export type Point = { at: number; value: number };

// bytesTicks are round numbers of bytes from 0 to at least max: powers of two apart,
// so that binary units come out even.
export function bytesTicks(max: number, most = 4): number[] {
  let step = 256;
  while (step * most < max) step *= 2;
  const ticks = [0];
  do ticks.push(ticks.length * step);
  while ((ticks.at(-1) ?? 0) < max);
  return ticks;
}

const minute = 60_000;
const hour = 60 * minute;
export const day = 24 * hour;
const spacings = [5 * minute, 10 * minute, 15 * minute, 30 * minute, hour, 2 * hour, 3 * hour, 6 * hour, 12 * hour, day, 2 * day, 7 * day, 14 * day, 30 * day, 61 * day, 122 * day];

// timeTicks are full hours, days or months by the clock on the wall, not more than
// so many.
export function timeTicks(from: number, until: number, most: number): { ticks: number[]; spacing: number } {
  const spacing = spacings.find((s) => (until - from) / s <= most) ?? 365 * day;
  const ticks = [];
  for (let tick = first(from, spacing); tick <= until; tick = next(tick, spacing)) {
    if (tick >= from) ticks.push(tick);
  }
  return { ticks, spacing };
}

// first is a tick that is not after a time.
function first(from: number, spacing: number): number {
  const at = new Date(from);
  at.setHours(0, 0, 0, 0);
  if (spacing >= 30 * day) at.setDate(1);
  return at.getTime();
}

// next goes on by the calendar: days have 23 to 25 hours.
function next(tick: number, spacing: number): number {
  const at = new Date(tick);
  if (spacing >= 30 * day) at.setMonth(at.getMonth() + Math.round(spacing / (30 * day)));
  else if (spacing >= day) at.setDate(at.getDate() + Math.round(spacing / day));
  else {
    const midnight = new Date(tick);
    midnight.setHours(24, 0, 0, 0);
    return Math.min(tick + spacing, midnight.getTime());
  }
  return at.getTime();
}

// runs are the parts of a line between its gaps: times without a point.
export function runs(points: Point[], step: number): Point[][] {
  const list: Point[][] = [];
  for (const p of points) {
    const run = list.at(-1);
    const last = run?.at(-1);
    if (run && last && p.at - last.at <= 1.5 * step) run.push(p);
    else list.push([p]);
  }
  return list;
}

// nearest is the place of the time that is nearest.
export function nearest(times: number[], at: number): number {
  let best = 0;
  times.forEach((t, k) => {
    if (Math.abs(t - at) < Math.abs((times[best] ?? 0) - at)) best = k;
  });
  return best;
}
