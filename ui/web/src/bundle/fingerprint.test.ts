import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { fingerprint } from "./fingerprint";
import { fileOf } from "./testkit";

// ui/upload/send makes the same one.
test("a fingerprint is of name, size, time, start and end", async () => {
  const small = createHash("sha256").update('"a.bundle" 5 1000\nhellohello').digest("hex").slice(0, 32);
  expect(await fingerprint(fileOf("hello", "a.bundle"))).toBe(small);
  const bytes = new Uint8Array((1 << 20) + 10).map((_, k) => k % 251);
  const large = createHash("sha256").update(`"b" ${bytes.length} 1000\n`).update(bytes.subarray(0, 1 << 20)).update(bytes.subarray(10)).digest("hex").slice(0, 32);
  expect(await fingerprint(fileOf(bytes, "b"))).toBe(large);
});
