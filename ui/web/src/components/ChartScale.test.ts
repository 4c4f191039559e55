import { expect, test } from "vitest";
import { bytesTicks, nearest, runs, timeTicks } from "./ChartScale";

const hour = 3_600_000;

test("ticks of bytes are few, even, and reach over the largest value", () => {
  for (const max of [0, 1, 1023, 1024, 5e6, 3.3e9, 7e13]) {
    const ticks = bytesTicks(max);
    const step = ticks[1] ?? 0;
    expect(ticks[0]).toBe(0);
    expect(ticks.at(-1)).toBeGreaterThanOrEqual(max);
    expect(ticks.length).toBeGreaterThanOrEqual(2);
    expect(ticks.length).toBeLessThanOrEqual(6);
    expect(Math.log2(step) % 1).toBe(0);
  }
  expect(bytesTicks(3 * 2 ** 30)).toEqual([0, 1, 2, 3].map((n) => n * 2 ** 30));
});

test("ticks of time are within the span, ascend, and are not too many", () => {
  const until = Date.parse("2027-03-31T10:17:00Z");
  for (const hours of [1, 24, 7 * 24, 30 * 24, 365 * 24]) {
    const { ticks } = timeTicks(until - hours * hour, until, 6);
    expect(ticks.length).toBeGreaterThanOrEqual(2);
    expect(ticks.length).toBeLessThanOrEqual(8);
    ticks.forEach((t, k) => {
      expect(t).toBeGreaterThanOrEqual(until - hours * hour);
      expect(t).toBeLessThanOrEqual(until);
      if (k > 0) expect(t).toBeGreaterThan(ticks[k - 1] ?? 0);
      if (hours < 48) expect(new Date(t).getMinutes() % 10).toBe(0);
    });
  }
});

test("ticks a day apart are midnights, also when the clocks change", () => {
  const { ticks, spacing } = timeTicks(Date.parse("2027-03-25T10:00:00Z"), Date.parse("2027-03-31T10:00:00Z"), 7);
  expect(spacing).toBe(24 * hour);
  for (const t of ticks) expect(new Date(t).getHours()).toBe(0);
});

test("a line breaks where times are missing", () => {
  const points = [0, 1, 2, 5, 6, 9].map((n) => ({ at: n * 60, value: n }));
  expect(runs(points, 60).map((r) => r.map((p) => p.value))).toEqual([[0, 1, 2], [5, 6], [9]]);
  expect(runs([], 60)).toEqual([]);
});

test("the nearest time is found", () => {
  expect(nearest([0, 10, 20], 14)).toBe(1);
  expect(nearest([0, 10, 20], -5)).toBe(0);
  expect(nearest([0, 10, 20], 99)).toBe(2);
});
