import { parseHeader, type Header } from "./header";
import type { Pieces } from "./pieces";
import { block, padded, readEntry } from "./tar";

// Outline is what is to be known of a bundle without its blobs: the entries before
// the first blob, and everything behind the last one, which are the manifests and the
// signatures. The appliance judges a bundle by it before the rest is sent.
export type Outline = {
  header: Header;
  size: number; // bytes of the file
  head: Blob;
  tail: Blob;
  tailOffset: number;
  small: Range[]; // small blobs with their headers: configs and signatures are among them
};

export type Range = { offset: number; size: number };

// Broken is why a file has no outline: it is no bundle, it ends too early, or it is
// larger than what a header or an outline may have.
export type Broken = "damaged" | "short" | "large";

export class OutlineError extends Error {
  constructor(readonly why: Broken) {
    super(why);
    this.name = "OutlineError";
  }
}

const first = ["oci-layout", "index.json", "landfall/bundle.json", "landfall/bundle.json.sha256"];
const maxEntry = 64 << 20;
const maxOutline = 100 << 20; // the appliance takes 130 MiB, with what it asks for
const maxSmall = 16 << 10;
const maxRanges = 500;
const trailer = 2 * block; // zero bytes at the end of the file

// readOutline reads the outline of a bundle, which may be in several parts.
export async function readOutline(file: Pieces): Promise<Outline> {
  let at = 0;
  let json = "";
  for (const name of first) {
    const entry = await readEntry(file, at);
    if (!entry) throw new OutlineError(file.size < at + block ? "short" : "damaged");
    if (entry.name !== name || entry.type !== "0") throw new OutlineError("damaged");
    if (entry.size > maxEntry) throw new OutlineError("large");
    if (entry.end > file.size) throw new OutlineError("short");
    if (name === "landfall/bundle.json") json = new TextDecoder().decode(await file.read(entry.payload, entry.payload + entry.size));
    at = entry.end;
  }
  const header = parseHeader(json);
  if (!header) throw new OutlineError("damaged");
  if (file.size < padded(header.end) + trailer || file.size % block !== 0) throw new OutlineError("short");
  const tailOffset = header.blobs.reduce((end, b) => Math.max(end, padded(b.offset + b.size)), at);
  if (at + file.size - tailOffset > maxOutline) throw new OutlineError("large");
  return { header, size: file.size, head: file.slice(0, at), tail: file.slice(tailOffset, file.size), tailOffset, small: smallBlobs(header.blobs, at) };
}

// smallBlobs are the entries of small blobs. An entry begins where the one before it
// ends, the first at start.
function smallBlobs(blobs: Range[], start: number): Range[] {
  const small: Range[] = [];
  let at = start;
  for (const b of blobs) {
    const end = padded(b.offset + b.size);
    if (b.size <= maxSmall && small.length < maxRanges && end > at) small.push({ offset: at, size: end - at });
    at = end;
  }
  return small;
}
