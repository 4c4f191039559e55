import { randomBytes } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Appliance } from "./appliance";
import { image, index, layer, push, referrer, type Manifest } from "./oci";
import { landfall, run } from "./programs";

const mebi = 1 << 20;

// Content is what was put into a bundle.
export type Content = { bundle: string; names: string[]; digests: Record<string, string>; blobs: string[]; bytes: number };

// makeBundle makes a bundle of images by their full names: they are pushed to an
// appliance on the connected side, which exports them.
export async function makeBundle(images: Record<string, Manifest>, more: { referrers?: Record<string, Manifest[]>; flags?: string[] } = {}): Promise<Content> {
  const connected = await Appliance.start({ args: ["--open"] });
  try {
    const bundle = join(mkdtempSync(join(tmpdir(), "bundle-")), "carry.bundle");
    for (const [name, m] of Object.entries(images)) {
      const [repository = "", tag = ""] = name.split(":");
      await push(connected.url, repository, m, tag);
      for (const r of more.referrers?.[name] ?? []) await push(connected.url, repository, r);
    }
    const names = Object.keys(images).sort();
    await landfall("content", "export", ...names, "--data", connected.data, "-o", bundle, ...(more.flags ?? []));
    const blobs = Object.values(images).flatMap((m) => [m, ...m.children].flatMap((x) => x.blobs));
    return { bundle, names, digests: Object.fromEntries(Object.entries(images).map(([n, m]) => [n, m.digest])), blobs: blobs.map((b) => b.digest), bytes: blobs.reduce((n, b) => n + b.content.length, 0) };
  } finally {
    await connected.stop();
  }
}

// noise is an image of layers that cannot be compressed.
export const noise = (layers: number, bytes: number, architecture = "amd64") =>
  image(architecture, Array.from({ length: layers }, (_, n) => layer(`part${n}`, randomBytes(bytes))));

// bigBundle has an image of so many MiB.
export const bigBundle = (size: number, name = "docker.io/library/big:1.0") => makeBundle({ [name]: noise(8, (size * mebi) / 8) });

// siteImages are images like those of a site: several platforms, shared layers, an
// SBOM.
export function siteImages() {
  const base = layer("base", randomBytes(300_000));
  const build = (arch: string) => image(arch, [base, layer("app", randomBytes(90_000))], { "org.opencontainers.image.version": "1.27.1", "org.opencontainers.image.source": "https://git.example/app" });
  const app = index(build("amd64"), build("arm64"));
  const images: Record<string, Manifest> = {
    "docker.io/library/nginx:1.27.1": app,
    "docker.io/library/nginx:1.27": app,
    "docker.io/library/nginx:1.26": index(build("amd64"), build("arm64")),
    "quay.io/prometheus/prometheus:v3.1.0": build("amd64"),
    "registry.k8s.io/pause:3.10": noise(1, 4_000),
    "team/app:2.0": build("arm64"),
  };
  return { images, referrers: { "docker.io/library/nginx:1.27.1": [referrer(app, "application/spdx+json", sbom)] } };
}

const sbom = {
  spdxVersion: "SPDX-2.3",
  dataLicense: "CC0-1.0",
  SPDXID: "SPDXRef-DOCUMENT",
  name: "nginx",
  documentNamespace: "https://spdx.example/nginx-1.27.1",
  creationInfo: { created: "2026-03-01T12:00:00Z", creators: ["Tool: builder"] },
  packages: ["nginx", "openssl", "zlib", "pcre2"].map((name, n) => ({ name, SPDXID: `SPDXRef-${name}`, versionInfo: `1.${n}.0`, downloadLocation: "NOASSERTION", licenseConcluded: n % 2 ? "Apache-2.0" : "BSD-2-Clause" })),
};

// makeKey makes a key that signs, and returns its two files.
export async function makeKey(): Promise<{ key: string; pub: string }> {
  const at = join(mkdtempSync(join(tmpdir(), "key-")), "ops");
  await landfall("key", "generate", "-o", at);
  return { key: at + ".key", pub: at + ".pub" };
}

// fatImage makes a drive's content: a FAT file system with a file.
export async function fatImage(file: string, as: string, mib: number): Promise<string> {
  const at = join(mkdtempSync(join(tmpdir(), "drive-")), "drive.img");
  await run("truncate", "-s", `${mib}M`, at);
  await run("mkfs.vfat", "-n", "CARRY", at);
  await run("mcopy", "-i", at, file, "::" + as);
  return at;
}
