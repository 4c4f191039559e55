import { describe, expect, test } from "vitest";
import { asText, draftOf, elementsOf, grouped, hiddenIn, NoJSON, planOf, valueOf, written, type Variable } from "./values";

const variable = (more: Partial<Variable>): Variable => ({ name: "v", type: "string", state: "default", ...more });
const given = (value: unknown, more: Partial<Variable> = {}) => variable({ state: "given", value, changed: "2026-03-01T12:00:00Z", ...more });
const secret = given("set", { sensitive: true, sealed: true });

test("texts are shown as they are, all else as JSON", () => {
  expect([asText("a"), asText(3), asText(false), asText(["a"]), asText({ a: 1 }), asText(undefined), asText(null)]).toEqual(["a", "3", "false", '["a"]', '{"a":1}', "", ""]);
});

test.each<[string, string, unknown]>([
  ["string", " 3 ", " 3 "],
  ["integer", " 3 ", 3],
  ["integer", "-7", -7],
  ["integer", "3.5", "3.5"],
  ["integer", "9007199254740993", "9007199254740993"],
  ["integer", "many", "many"],
  ["number", "3.5", 3.5],
  ["number", "1e3", 1000],
  ["number", "Infinity", "Infinity"],
  ["number", " ", " "],
  ["boolean", "true", true],
  ["boolean", "false", false],
  ["boolean", "yes", "yes"],
  ["list", '["a", 1]', ["a", 1]],
  ["object", '{"a": [1]}', { a: [1] }],
])("%s: %s", (type, text, value) => {
  expect(valueOf({ type }, text)).toEqual(value);
});

test.each(["list", "object"])("what is no JSON is no %s", (type) => {
  expect(() => valueOf({ type }, "a, b")).toThrow(NoJSON);
});

describe("what is written", () => {
  test("is what was given, or a draft", () => {
    expect(written(given(3), undefined)).toBe("3");
    expect(written(given(3), "4")).toBe("4");
    expect(written(given(3), null)).toBe("");
    expect(written(variable({ default: "a" }), undefined)).toBe("");
  });
  test("is never a secret", () => {
    expect(written(secret, undefined)).toBe("");
    expect(written(given("set", { sealed: true }), undefined)).toBe("");
  });
  test("changes nothing when it is what was there", () => {
    expect(draftOf(given(3), "3")).toBeUndefined();
    expect(draftOf(variable({}), "")).toBeUndefined();
    expect(draftOf(secret, "")).toBeUndefined();
  });
  test("is a draft when it is not", () => {
    expect(draftOf(given(3), "4")).toBe("4");
    expect(draftOf(given(3), "")).toBeNull();
    expect(draftOf(variable({ default: "a" }), "a")).toBe("a"); // said by the site, it stays when the default changes
    expect(draftOf(secret, "set")).toBe("set"); // the word for a secret may be one
  });
});

test("elements of a list are texts, whatever was given before", () => {
  expect([elementsOf('["a",1]'), elementsOf(""), elementsOf("a, b"), elementsOf("7"), elementsOf('{"a":1}')]).toEqual([["a", "1"], [], ["a, b"], ["7"], ['{"a":1}']]);
});

test("drafts are planned as one change", () => {
  const list = [given(1, { name: "a", type: "integer" }), given("x", { name: "b" }), variable({ name: "c", type: "list" }), variable({ name: "d" })];
  expect(planOf(list, { a: "2", b: null, c: "no", gone: "x" })).toEqual({ set: { a: 2 }, unset: ["b"], noJson: ["c"] });
  expect(planOf(list, {})).toEqual({ set: {}, unset: [], noJson: [] });
});

test("variables are under their groups, the others last", () => {
  const list = [variable({ name: "a" }), variable({ name: "b", group: "net" }), variable({ name: "c", group: "nosuch" }), variable({ name: "d", group: "net" })];
  const found = grouped(list, [{ name: "disk" }, { name: "net", title: "Network" }]).map(([g, l]) => [g?.name, l.map((v) => v.name).join()]);
  expect(found).toEqual([["net", "b,d"], [undefined, "a,c"]]);
});

test("what the newer version hides is hidden, and what only the older one has and hides", () => {
  const of = (name: string, hidden: boolean, state: Variable["state"] = "default") => variable({ name, hidden, state });
  const newer = [of("shown", false), of("hides", true), of("gone", false, "unknown")];
  const older = [of("shown", true), of("hides", false), of("gone", true), of("old", false)];
  expect([...hiddenIn(newer, older)].sort()).toEqual(["gone", "hides"]);
});
