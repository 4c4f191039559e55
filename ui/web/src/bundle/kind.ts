import { Pieces } from "./pieces";
import { isTar, readEntry } from "./tar";

// Kind is what a file is, as far as its first bytes and its name tell. The appliance
// looks again, and has the last word.
export type Kind = "bundle" | "part" | "signature" | "docker-archive" | "oci-archive";
// Stranger is what people choose by mistake.
export type Stranger = "empty" | "compressed" | "zip" | "encrypted" | "tar" | "other";

export const partName = /^(.+)\.(\d{3,6})$/;
export const signatureName = /^(.+?)\.(sig|sigstore\.json)$/;

const maxSignature = 128 << 10;
const maxEntries = 400; // of an archive, that are looked at

const magics: [Stranger, string][] = [
  ["compressed", "\x1f\x8b"],
  ["compressed", "\x28\xb5\x2f\xfd"],
  ["compressed", "BZh"],
  ["compressed", "\xfd7zXZ\x00"],
  ["zip", "PK\x03\x04"],
  ["encrypted", "age-encryption.org/"],
];

// recognise tells what a file is.
export async function recognise(file: File): Promise<Kind | Stranger> {
  if (file.size === 0) return "empty";
  const pieces = new Pieces([file]);
  const head = await pieces.read(0, Math.min(file.size, 4096));
  if (partName.test(file.name)) return "part";
  if (isTar(head)) return await archive(pieces);
  if (await isSignature(file)) return "signature";
  const start = String.fromCharCode(...head.subarray(0, 32));
  return magics.find(([, magic]) => start.startsWith(magic))?.[0] ?? "other";
}

// archive tells what a tar file is by the names at its top. A bundle has them in front.
async function archive(file: Pieces): Promise<Kind | Stranger> {
  const seen = new Set<string>();
  for (let at = 0, n = 0; n < maxEntries; n++) {
    const entry = await readEntry(file, at);
    if (!entry) break;
    if (entry.name === "landfall/bundle.json") return "bundle";
    if (entry.type === "0") seen.add(entry.name.replace(/^\.\//, ""));
    if (seen.has("manifest.json")) return "docker-archive";
    at = entry.end;
  }
  return seen.has("oci-layout") && seen.has("index.json") ? "oci-archive" : "tar";
}

async function isSignature(file: File): Promise<boolean> {
  if (file.size > maxSignature) return false;
  if (signatureName.test(file.name)) return true;
  return file.name.endsWith(".json") && (await file.text()).includes("application/vnd.dev.sigstore.bundle");
}
