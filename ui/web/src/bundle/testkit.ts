// What tests need to make bundles by the rules of bundle/FORMAT.md.

const encoder = new TextEncoder();

type Payload = { bytes: Uint8Array; offset: number };

function header(name: string, size: number, type = "0"): Uint8Array {
  const h = new Uint8Array(512);
  const put = (at: number, text: string) => h.set(encoder.encode(text), at);
  const octal = (n: number, digits: number) => n.toString(8).padStart(digits, "0");
  put(0, name);
  put(100, "0000644\0" + "0000000\0" + "0000000\0" + octal(size, 11) + "\0" + "00000000000\0" + "        " + type);
  put(257, "ustar\x0000");
  const sum = h.reduce((all, b) => all + b, 0);
  put(148, octal(sum, 6) + "\0 ");
  return h;
}

function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    all.set(p, at);
    at += p.length;
  }
  return all;
}

const padding = (size: number) => new Uint8Array((512 - (size % 512)) % 512);

function plain(name: string, bytes: Uint8Array): Uint8Array[] {
  return [header(name, bytes.length), bytes, padding(bytes.length)];
}

// blob is an entry whose payload is at a multiple of 4096.
function blob(pos: number, payload: Payload): Uint8Array[] {
  let pax = 512;
  while ((pos + 1024 + pax) % 4096 !== 0) pax += 512;
  payload.offset = pos + 1024 + pax;
  const record = `${pax} comment=`;
  return [header("PaxHeaders/landfall", pax, "x"), encoder.encode(record.padEnd(pax - 1) + "\n"), ...plain("blobs/sha256/x", payload.bytes)];
}

export type Made = { blobs?: number[]; manifests?: number[]; more?: Record<string, unknown>; signatures?: number };

// makeBundle makes a bundle with blobs and manifests of these sizes. Their digests
// and contents mean nothing.
export function makeBundle(made: Made): Uint8Array<ArrayBuffer> {
  const payloads = (sizes: number[] = []): Payload[] => sizes.map((n, k) => ({ bytes: new Uint8Array(n).fill(k + 1), offset: 0 }));
  const blobs = payloads(made.blobs);
  const manifests = payloads(made.manifests);
  const listed = (list: Payload[]) => list.map((p, k) => ({ digest: `sha256:${k}`, offset: p.offset, size: p.bytes.length }));
  for (let before = ""; ; ) {
    const json = JSON.stringify({ blobs: listed(blobs), created: "2026-01-02T03:04:05Z", format: 2, id: "0123", manifests: listed(manifests), names: [{ digest: "sha256:0", name: "team/app:1" }], ...made.more });
    const parts = [...plain("oci-layout", encoder.encode('{"imageLayoutVersion":"1.0.0"}')), ...plain("index.json", encoder.encode("{}")), ...plain("landfall/bundle.json", encoder.encode(json)), ...plain("landfall/bundle.json.sha256", encoder.encode("0".repeat(79)))];
    for (const p of [...blobs, ...manifests]) parts.push(...blob(joined(parts).length, p));
    for (let n = 0; n < (made.signatures ?? 0); n++) parts.push(...plain(`landfall/signatures/${n}.sig`, new Uint8Array(70)));
    if (json === before) return joined([...parts, new Uint8Array(1024)]);
    before = json;
  }
}

export const fileOf = (bytes: Uint8Array<ArrayBuffer> | string, name = "carry.bundle") => new File([bytes], name, { lastModified: 1000 });
