import { describe, expect, test } from "vitest";
import { OutlineError, readOutline } from "./outline";
import { Pieces } from "./pieces";
import { fileOf, makeBundle } from "./testkit";

const whole = (bytes: Uint8Array<ArrayBuffer>) => new Pieces([fileOf(bytes)]);

async function why(file: Pieces): Promise<string> {
  const error: unknown = await readOutline(file).catch((e: unknown) => e);
  return error instanceof OutlineError ? error.why : String(error);
}

describe("readOutline", () => {
  const bytes = makeBundle({ blobs: [10_000, 0, 5_000], manifests: [700, 600], signatures: 2, more: { channel: "line/a", sequence: 7, platforms: ["linux/arm64"], requires: ["sha256:9"] } });

  test("has all but the blobs", async () => {
    const outline = await readOutline(whole(bytes));
    expect(outline.header).toMatchObject({ id: "0123", format: 2, created: "2026-01-02T03:04:05Z", channel: "line/a", sequence: 7, requires: 1, platforms: ["linux/arm64"], content: 16_300, names: [{ name: "team/app:1", digest: "sha256:0" }] });
    expect(outline.size).toBe(bytes.length);
    expect(new Uint8Array(await outline.head.arrayBuffer())).toEqual(bytes.slice(0, outline.head.size));
    expect(new Uint8Array(await outline.tail.arrayBuffer())).toEqual(bytes.slice(outline.tailOffset));
    expect(outline.tailOffset % 512).toBe(0);
    // Behind the last blob stands the first manifest's pax header.
    expect(new TextDecoder().decode(bytes.slice(outline.tailOffset, outline.tailOffset + 19))).toBe("PaxHeaders/landfall");
    expect(outline.tailOffset - 5_000).toBeGreaterThan(outline.head.size);
    // All its blobs are small; their entries fill what is between head and tail.
    const ends = outline.small.map((r) => r.offset + r.size);
    expect(outline.small.map((r) => r.offset)).toEqual([outline.head.size, ...ends.slice(0, -1)]);
    expect(ends.at(-1)).toBe(outline.tailOffset);
  });

  test("without blobs, the tail begins where the head ends", async () => {
    const outline = await readOutline(whole(makeBundle({ manifests: [300] })));
    expect(outline.tailOffset).toBe(outline.head.size);
  });

  test("of parts is that of the whole file", async () => {
    const cuts = [0, 700, 1_024, 9_000, bytes.length];
    const parts = cuts.slice(1).map((end, k) => fileOf(bytes.slice(cuts[k], end), `carry.bundle.00${k + 1}`));
    const cut = await readOutline(new Pieces(parts));
    const one = await readOutline(whole(bytes));
    expect(cut.header).toEqual(one.header);
    expect(await cut.head.text()).toBe(await one.head.text());
    expect(await cut.tail.text()).toBe(await one.tail.text());
  });

  test("names what is wrong", async () => {
    expect(await why(whole(bytes.slice(0, bytes.length - 1)))).toBe("short");
    expect(await why(whole(bytes.slice(0, 1_500)))).toBe("short");
    expect(await why(whole(bytes.slice(512)))).toBe("damaged");
    expect(await why(whole(makeBundle({ more: { id: 5 } })))).toBe("damaged");
    expect(await why(new Pieces([]))).toBe("short");
  });
});
