import { describe, expect, test } from "vitest";
import { addKey, removeKey, revokeKey } from "./policyText";

const pem = (body: string) => `-----BEGIN PUBLIC KEY-----\n${body.slice(0, 8)}\n${body.slice(8)}\n-----END PUBLIC KEY-----\n`;
const one = pem("AAAABBBBCCCCDDDD");
const two = pem("EEEEFFFFGGGGHHHH");

const written = `# who may bring content
version: 1
keys:
  # the ones who build
  - owner: build team
    pem: |
      -----BEGIN PUBLIC KEY-----
      AAAABBBB
      CCCCDDDD
      -----END PUBLIC KEY-----

  # those who release
  - owner: release
    pem: |
      -----BEGIN PUBLIC KEY-----
      EEEEFFFF
      GGGGHHHH
      -----END PUBLIC KEY-----
    channels: [stable]

# what comes by hand
unsigned: refuse
`;

describe("addKey", () => {
  test("begins a policy", () => {
    expect(addKey("", { owner: "me", pem: one, channels: ["*"], notAfter: "2030-01-01" })).toBe(
      `version: 1
keys:
  - owner: "me"
    pem: |
      -----BEGIN PUBLIC KEY-----
      AAAABBBB
      CCCCDDDD
      -----END PUBLIC KEY-----
    channels: ["*"]
    notAfter: 2030-01-01
`,
    );
  });
  test("adds after the last key and keeps comments", () => {
    const next = addKey(written, { owner: "me", pem: pem("IIIIJJJJ"), channels: [] }) ?? "";
    expect(next.replace(/ {2}- owner: "me"\n(.*\n){5}/, "")).toBe(written);
    expect(next.indexOf('owner: "me"')).toBeGreaterThan(next.indexOf("channels: [stable]"));
    expect(next.indexOf('owner: "me"')).toBeLessThan(next.indexOf("# what comes by hand"));
  });
  test.each([
    ["without keys", "version: 1\nunsigned: allow\n"],
    ["with an empty list", "version: 1\nkeys: [] # none yet\n"],
    ["with keys at the margin", "version: 1\nkeys:\n- owner: a\n  pem: |\n    AAAABBBBCCCCDDDD\nunsigned: allow\n"],
  ])("takes a policy %s", (_, policy) => {
    const next = addKey(policy, { owner: "me", pem: two, channels: [] }) ?? "";
    expect(removeKey(next, two)?.replace("keys: []\n", "")).toContain(policy.includes("# none") ? "keys: [] # none yet" : policy);
  });
  test("leaves what it cannot do with", () => {
    expect(addKey("version: 1\nkeys: [{owner: a, pem: b}]\n", { owner: "me", pem: one, channels: [] })).toBeUndefined();
  });
  test("adds to JSON", () => {
    const next = addKey('{"version": 1, "keys": [], "pushes": "allow"}', { owner: "me", pem: one, channels: [] }) ?? "";
    expect(JSON.parse(next)).toEqual({ version: 1, keys: [{ owner: "me", pem: one }], pushes: "allow" });
  });
});

describe("revokeKey", () => {
  test("adds a line to the key that is meant", () => {
    const next = revokeKey(written, one, { since: "2026-05-01", reason: "laptop lost" });
    expect(next).toBe(written.replace("PUBLIC KEY-----\n\n", 'PUBLIC KEY-----\n    revoked: {since: 2026-05-01, reason: "laptop lost"}\n\n'));
  });
  test("knows no other key", () => {
    expect(revokeKey(written, pem("ZZZZZZZZ"), { since: "2026-05-01", reason: "x" })).toBeUndefined();
  });
});

describe("removeKey", () => {
  test("takes out the key that is meant", () => {
    const next = removeKey(written, two) ?? "";
    expect(next).not.toContain("owner: release");
    expect(next).toContain("owner: build team");
    expect(next).toContain("# what comes by hand\nunsigned: refuse\n");
  });
  test("leaves an empty list", () => {
    const last = removeKey(removeKey(written, two) ?? "", one) ?? "";
    expect(last).toContain("keys: []\n");
  });
});
