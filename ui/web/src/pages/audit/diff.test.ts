import { expect, test } from "vitest";
import { changesOf, linesOf, listedIn } from "./diff";

test("what changed is told by its path, and what did not is counted", () => {
  const before = { role: "viewer", grants: [{ prefix: "a", actions: ["pull"] }], name: "eve" };
  const after = { role: "operator", grants: [{ prefix: "a", actions: ["pull"] }], name: "eve", disabled: true };
  expect(changesOf(before, after)).toEqual({
    changed: [
      { path: "role", before: "viewer", after: "operator" },
      { path: "disabled", before: undefined, after: "true" },
    ],
    same: 3,
  });
});

test("values that have no fields are compared as a whole", () => {
  expect(changesOf(undefined, "sha256:1").changed).toEqual([{ path: "", before: undefined, after: "sha256:1" }]);
  expect(changesOf(null, undefined)).toEqual({ changed: [], same: 0 });
});

test("lines of a text go and come, and the others stay", () => {
  const lines = linesOf("a\nb\nc", "a\nc\nd");
  expect(lines.map((l) => `${l.kind} ${l.text}`)).toEqual(["same a", "removed b", "same c", "added d"]);
});

test("an entry that stands for many names lists them", () => {
  expect(listedIn([{ name: "a:1", after: "x" }])).toEqual([{ name: "a:1", before: undefined, after: "x" }]);
  expect(listedIn([{ name: "a:1" }, "b"])).toBeUndefined();
  expect(listedIn({ name: "a:1" })).toBeUndefined();
});
