import { describe, expect, test } from "vitest";
import { Format } from "./format";

const en = new Format("en-GB");
const de = new Format("de-DE");

describe("Format", () => {
  test.each([
    [0, "0 B"],
    [1023, "1,023 B"],
    [1024, "1 KiB"],
    [1536, "1.5 KiB"],
    [10 * 1024 * 1024, "10 MiB"],
    [1024 ** 3 * 123.4, "123 GiB"],
    [-2048, "-2 KiB"],
    [1024 ** 6, "1,024 PiB"],
  ])("bytes of %d", (n, want) => expect(en.bytes(n)).toBe(want));

  test("numbers are written as the language does", () => {
    expect(de.bytes(1536)).toBe("1,5 KiB");
    expect(de.count(1234567)).toBe("1.234.567");
  });

  test.each([
    [0, "0 sec"],
    [59.6, "1 min"],
    [61, "1 min 1 sec"],
    [3600, "1 hr"],
    [90061, "1 day 1 hr"],
    [-5, "0 sec"],
  ])("a duration of %d s", (n, want) => expect(new Format("en-US").duration(n)).toBe(want));

  test("times say their zone", () => {
    expect(en.time("2026-11-28T12:00:00Z")).toContain(en.zone("2026-11-28T12:00:00Z"));
  });

  test.each([
    [30, "30 seconds ago"],
    [3600, "1 hour ago"],
    [-86400, "tomorrow"],
  ])("%d s ago", (ago, want) => expect(en.relative(1e12 - ago * 1000, 1e12)).toBe(want));
});
