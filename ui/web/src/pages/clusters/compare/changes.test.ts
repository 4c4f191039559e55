import { expect, test } from "vitest";
import { isSame, rowsOf, valueText } from "./changes";

const none = { from: { name: "edge", version: "1.0.0" }, to: { name: "edge", version: "1.1.0" }, bytes: 10, carry: 0, carried: 0, known: true };

test("a row for each layer and variable, and one for the definition", () => {
  const field = { path: "upgrade.policy", old: "inPlace", new: "drain" };
  const rows = rowsOf({
    ...none,
    fields: [{ path: "platforms", new: ["linux/arm64"] }],
    layers: [{ name: "web", change: "changed", fields: [field] }, { name: "more", change: "added" }],
    variables: [{ name: "web", change: "removed", fields: null }],
  });
  expect(rows.map((r) => `${r.key}: ${r.change} ${r.fields.length}`)).toEqual(["definition : changed 1", "layer web: changed 1", "layer more: added 0", "variable web: removed 0"]);
  expect(new Set(rows.map((r) => r.key)).size).toBe(rows.length);
});

test("nothing changes only when no image does either", () => {
  expect(isSame(none)).toBe(true);
  expect(isSame({ ...none, layers: null, images: null })).toBe(true);
  expect(isSame({ ...none, images: [{ name: "a", change: "added", bytes: 1 }] })).toBe(false);
  expect(isSame({ ...none, variables: [{ name: "a", change: "added" }] })).toBe(false);
});

test("values are a line", () => {
  expect([valueText("a"), valueText(1), valueText(null), valueText({ a: [1] }), valueText(undefined)]).toEqual(["a", "1", "null", '{"a":[1]}', undefined]);
  expect(valueText("x".repeat(500))).toHaveLength(121);
});
