import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Appliance, otto, rita, vera } from "./kit/appliance";
import { makeKey } from "./kit/images";
import { got } from "./kit/local";
import { blob, image, index, layer, push, type Blob, type Manifest } from "./kit/oci";
import { landfall } from "./kit/programs";

// Defined is a site with two versions of a definition of which it has no image yet, and
// the side that has them. layers has the digest of one of each image.
export type Defined = { site: Appliance; connected: Appliance; folder: string; images: string[]; layers: string[] };

export const first = "definitions.landfall.dev/edge:1.0.0";
export const second = "definitions.landfall.dev/edge:2.0.0";

// startDefined builds the definitions from profiles, the first one signed by somebody
// whom the site trusts, and pushes them to the site.
export async function startDefined(): Promise<Defined> {
  const folder = mkdtempSync(join(tmpdir(), "profiles-"));
  const connected = await Appliance.start({ args: ["--open"] });
  const images = ["team/app:v1", "team/tool:v2"].map((name) => `${connected.host}/${name}`);
  const layers: string[] = [];
  for (const [repository, tag] of [["team/app", "v1"], ["team/tool", "v2"]] as const) {
    const data = layer("data", randomBytes(50_000));
    await push(connected.url, repository, index(image("amd64", [data]), image("arm64", [layer("data", randomBytes(50_000))])), tag);
    layers.push(data.digest);
  }
  writeProfiles(folder, connected.host);
  const site = await Appliance.start();
  await site.add(otto, vera, rita);
  const key = await makeKey();
  await got(site.api.PUT("/api/v1/trust/policy", { params: { header: { "If-Match": "*" } }, body: { text: policy(readFileSync(key.pub, "utf8")) } }));
  for (const [name, ...flags] of [["one", "--sign", key.key], ["two"]]) {
    const file = join(folder, `${name}.def.yaml`);
    await landfall("definition", "build", join(folder, `${name}.yaml`), "-o", file, "--plain-http", ...flags);
    await landfall("definition", "push", file, "--data", site.data);
  }
  return { site, connected, folder, images, layers };
}

// artifact is a manifest of a type of its own.
export function artifact(artifactType: string, content: Blob): Manifest {
  const empty = blob("application/vnd.oci.empty.v1+json", Buffer.from("{}"));
  const descriptor = ({ mediaType, digest, content: { length: size } }: Blob) => ({ mediaType, digest, size });
  const manifest = { schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", artifactType, config: descriptor(empty), layers: [descriptor(content)] };
  return { ...blob(manifest.mediaType, manifest), blobs: [empty, content], children: [], artifactType };
}

function writeProfiles(folder: string, registry: string) {
  const profile = (version: string, variables: string, layers: string) =>
    `apiVersion: landfall.dev/v1alpha1
kind: ClusterProfile
metadata: {name: edge, version: ${version}, description: For sites without a link}
spec:
  groups: [{name: net, title: Network, description: How the site is reached}]
  variables:
${variables}
  layers:
    - name: web
      version: 3.1.0
      namespace: apps
      upgrade: {policy: drain, notes: Take a backup first.}
      chart: {path: web, values: {replicas: "\${var.replicas}"}}
${layers}`;
  const variables = `    - {name: replicas, type: integer, default: 2, min: 1, max: 5, title: Copies, description: How many of them run}
    - {name: size, type: string, default: small, allowed: [small, large]}
    - {name: debug, type: boolean, default: false}
    - {name: zones, type: list, allowed: [north, south]}
    - {name: hosts, type: list, format: ipv4, group: net}
    - {name: domain, type: string, required: true, default: site.example, format: fqdn, group: net, immutable: true}
    - {name: password, type: string, sensitive: true, pattern: "[a-z0-9-]+"}
    - {name: salt, type: string, hidden: true}`;
  writeFileSync(join(folder, "one.yaml"), profile("1.0.0", variables, `    - {name: tools, images: ["${registry}/team/tool:v2"]}\n`));
  const changed = variables.replace("default: 2, min: 1", "default: 4, min: 4").replace(/.*name: debug.*\n/, "") + "\n    - {name: region, type: string, default: eu}";
  writeFileSync(join(folder, "two.yaml"), profile("2.0.0", changed, ""));
  const chart = join(folder, "web");
  mkdirSync(join(chart, "templates"), { recursive: true });
  writeFileSync(join(chart, "Chart.yaml"), "apiVersion: v2\nname: web\nversion: 1.0.0\n");
  writeFileSync(join(chart, "templates", "pod.yaml"), `apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: web, image: "${registry}/team/app:v1"}]}\n`);
}

const policy = (pem: string) => `version: 1
keys:
  - owner: build team
    channels: [stable]
    pem: |
${pem.replace(/^/gm, "      ").trimEnd()}
unsigned: allow
`;
