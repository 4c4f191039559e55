import { describe, expect, it } from "vitest";
import { noPolicy, read, write, type SimplePolicy } from "./policy";

const pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\nabc=\n-----END PUBLIC KEY-----\n";

describe("trust policies of the setup", () => {
  it("are read as they were written", () => {
    const policies: SimplePolicy[] = [
      noPolicy,
      { keys: [{ owner: "build team", pem }], unsigned: "refuse", pushes: "allow" },
      { keys: [{ owner: 'a "b": \\ #', pem }, { owner: "second", pem }], unsigned: "allow", pushes: "refuse" },
    ];
    for (const p of policies) expect(read(write(p))).toEqual(p);
  });
  it("are the same for keys of other systems' lines", () => {
    const written = write({ ...noPolicy, keys: [{ owner: "x", pem: pem.replaceAll("\n", "\r\n") + "\n\n" }] });
    expect(written).toBe(write({ ...noPolicy, keys: [{ owner: "x", pem }] }));
  });
  it("leave policies alone that say more", () => {
    const simple = write({ ...noPolicy, keys: [{ owner: "x", pem }] });
    for (const text of [simple + "# mind the gap\n", simple.replace("pushes: allow\n", ""), simple + "bundles:\n  - channel: stable\n", "version: 1\n"]) {
      expect(read(text)).toBeUndefined();
    }
  });
});
