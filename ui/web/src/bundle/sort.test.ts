import { expect, test } from "vitest";
import { sort } from "./sort";
import { fileOf, makeBundle } from "./testkit";

const bundle = makeBundle({ blobs: [100], manifests: [100] });

test("files that belong together are together", async () => {
  const { cargos, strangers } = await sort([
    fileOf(bundle.slice(5_000), "big.bundle.003"),
    fileOf(bundle, "a.bundle"),
    fileOf("signed", "a.bundle.sig"),
    fileOf("signed", "big.bundle.sigstore.json"),
    fileOf("signed", "other.bundle.sig"),
    fileOf(bundle.slice(0, 5_000), "big.bundle.001"),
    fileOf(new Uint8Array([0x1f, 0x8b, 8]), "image.tar.gz"),
    fileOf("", "nothing"),
    fileOf("hello", "note.txt"),
  ]);
  const told = cargos.map((c) => [c.kind, c.name, c.files.map((f) => f.name), c.signatures.map((f) => f.name), c.missing]);
  expect(told).toEqual([
    ["bundle", "a.bundle", ["a.bundle"], ["a.bundle.sig"], []],
    ["bundle", "big.bundle", ["big.bundle.001", "big.bundle.003"], ["big.bundle.sigstore.json"], [2]],
    ["signature", "other.bundle.sig", ["other.bundle.sig"], [], []],
  ]);
  expect(strangers.map((s) => s.why)).toEqual(["compressed", "empty", "other"]);
});

test("a signature of any name is the only bundle's", async () => {
  const { cargos } = await sort([fileOf("signed", "mine.sig"), fileOf(bundle, "a.bundle")]);
  expect(cargos.map((c) => c.signatures.length)).toEqual([1]);
});
