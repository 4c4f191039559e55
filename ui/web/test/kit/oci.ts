import { createHash } from "node:crypto";

// What images consist of, and how they get into a registry.

export type Blob = { mediaType: string; content: Buffer; digest: string };
export type Manifest = Blob & { blobs: Blob[]; children: Manifest[]; platform?: { os: string; architecture: string }; artifactType?: string };

export function blob(mediaType: string, content: Buffer | object): Blob {
  const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
  return { mediaType, content: bytes, digest: "sha256:" + createHash("sha256").update(bytes).digest("hex") };
}

const descriptor = (b: Blob) => ({ mediaType: b.mediaType, digest: b.digest, size: b.content.length });

// layer is a tar of one file.
export function layer(name: string, content: Buffer): Blob {
  const head = Buffer.alloc(512);
  head.write(name);
  for (const [at, text] of [[100, "0000644"], [108, "0000000"], [116, "0000000"], [124, content.length.toString(8).padStart(11, "0")], [136, "00000000000"], [148, "        "], [156, "0"], [257, "ustar"], [263, "00"]] as const) head.write(text, at);
  head.write(head.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, "0") + "\0 ", 148);
  const padding = Buffer.alloc(1024 + ((512 - (content.length % 512)) % 512));
  return blob("application/vnd.oci.image.layer.v1.tar", Buffer.concat([head, content, padding]));
}

// image is one for a platform.
export function image(architecture: string, layers: Blob[], labels: Record<string, string> = {}): Manifest {
  const config = blob("application/vnd.oci.image.config.v1+json", {
    os: "linux",
    architecture,
    created: "2026-03-01T12:00:00Z",
    config: { Entrypoint: ["/app"], User: "1000", Env: ["PATH=/bin"], Labels: labels },
    rootfs: { type: "layers", diff_ids: layers.map((l) => l.digest) },
  });
  const manifest = { schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", config: descriptor(config), layers: layers.map(descriptor) };
  return { ...blob(manifest.mediaType, manifest), blobs: [config, ...layers], children: [], platform: { os: "linux", architecture } };
}

// index is an image for several platforms.
export function index(...children: Manifest[]): Manifest {
  const content = { schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: children.map((c) => ({ ...descriptor(c), platform: c.platform })) };
  return { ...blob(content.mediaType, content), blobs: [], children };
}

// referrer is an artifact about a manifest, like an SBOM.
export function referrer(subject: Manifest, artifactType: string, content: object): Manifest {
  const [empty, payload] = [blob("application/vnd.oci.empty.v1+json", Buffer.from("{}")), blob(artifactType, content)];
  const manifest = { schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", artifactType, config: descriptor(empty), layers: [descriptor(payload)], subject: descriptor(subject) };
  return { ...blob(manifest.mediaType, manifest), blobs: [empty, payload], children: [], artifactType };
}

// push brings a manifest and all under it into a registry where everybody may push.
export async function push(registry: string, repository: string, m: Manifest, ...tags: string[]): Promise<void> {
  for (const b of m.blobs) await pushBlob(registry, repository, b);
  for (const c of m.children) await push(registry, repository, c);
  await pushTags(registry, repository, m, tags);
}

// The registry takes so many tags with one push.
const tagsAtOnce = 100;

// pushTags lets tags point at a manifest that is there.
export async function pushTags(registry: string, repository: string, m: Manifest, tags: string[]): Promise<void> {
  for (let at = 0; at === 0 || at < tags.length; at += tagsAtOnce) {
    const query = tags.slice(at, at + tagsAtOnce).map((t) => `tag=${encodeURIComponent(t)}`);
    await put(`${registry}/v2/${repository}/manifests/${m.digest}?${query.join("&")}`, m);
  }
}

async function pushBlob(registry: string, repository: string, b: Blob) {
  const at = `${registry}/v2/${repository}/blobs/`;
  if ((await fetch(at + b.digest, { method: "HEAD" })).ok) return;
  const begun = await fetch(at + "uploads/", { method: "POST" });
  const place = new URL(begun.headers.get("Location") ?? "", registry);
  place.searchParams.set("digest", b.digest);
  await put(place.href, { ...b, mediaType: "application/octet-stream" });
}

async function put(url: string, b: Blob) {
  const answer = await fetch(url, { method: "PUT", headers: { "Content-Type": b.mediaType }, body: new Uint8Array(b.content) });
  if (!answer.ok) throw new Error(`PUT ${url}: ${answer.status} ${await answer.text()}`);
}
