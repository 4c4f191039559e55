import { expect, test } from "vitest";
import * as de from "./de";
import * as en from "./en";

// leaves are the texts of a dictionary by their paths.
function leaves(of: object, path = ""): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const [key, value] of Object.entries(of)) {
    const at = path ? `${path}.${key}` : key;
    if (typeof value === "object" && value !== null) leaves(value, at).forEach((v, k) => found.set(k, v));
    else found.set(at, value);
  }
  return found;
}

// The types see to it that each text is there; open records they do not see.
test("both languages have the same texts", () => {
  expect([...leaves(de).keys()].sort()).toEqual([...leaves(en).keys()].sort());
});

// Settings without a text of their own are described in the appliance's words.
const described = /^settings\.fields\..*\.about$/;

test("no text is empty", () => {
  for (const dictionary of [en, de]) {
    for (const [path, text] of leaves(dictionary)) {
      if (typeof text === "string" && !described.test(path)) expect(text, path).not.toBe("");
    }
  }
});

test("functions take as much in one language as in the other", () => {
  const german = leaves(de);
  for (const [path, text] of leaves(en)) {
    if (typeof text === "function") expect((german.get(path) as (...a: unknown[]) => string).length, path).toBeLessThanOrEqual(text.length);
  }
});
