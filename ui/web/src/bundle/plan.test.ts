import { expect, test } from "vitest";
import { plan, type Upload } from "./plan";

const upload = (u: Partial<Upload>): Upload => ({ id: "x", name: "a", state: "receiving", size: 100, offset: 0, owner: "o", created: "", expires: "", fingerprint: "f", ...u });
const part = (id: string, offset: number, size: number, more: Partial<Upload> = {}) => upload({ id, size, partial: true, part: { group: "f", offset, total: 100 }, ...more });

test("a file that nobody has begun is one part", () => {
  expect(plan(100, "f", [upload({ fingerprint: "g" }), upload({ state: "failed" }), upload({ size: 99 })])).toEqual({ parts: [{ start: 0, size: 100 }] });
});

test("the upload that is furthest goes on", () => {
  const best = upload({ id: "best", state: "whole", offset: 100 });
  expect(plan(100, "f", [upload({ offset: 50 }), best, upload({ state: "checking" })])).toEqual({ upload: best });
});

test("parts that are there stay, gaps are filled", () => {
  expect(plan(100, "f", [part("b", 60, 20), part("a", 10, 30), part("other", 0, 10, { part: { group: "f", offset: 0, total: 90 } })])).toEqual({
    parts: [
      { start: 0, size: 10 },
      { id: "a", start: 10, size: 30 },
      { start: 40, size: 20 },
      { id: "b", start: 60, size: 20 },
      { start: 80, size: 20 },
    ],
  });
});
