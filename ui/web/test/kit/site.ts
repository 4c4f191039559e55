import { randomBytes } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ada, Appliance, otto, rita, vera } from "./appliance";
import { makeBundle, makeKey, noise, siteImages } from "./images";
import { got } from "./local";
import { push } from "./oci";
import { landfall } from "./programs";

// LivedIn is a site at which things have happened.
export type LivedIn = { site: Appliance; signed: string; fresh: string };

// edge is the definition of such a site, as the registry names it.
export const edge = "definitions.landfall.dev/edge:1.0.0";

// livedIn has images from a signed bundle, a drive with another bundle and one that
// is broken, mirrors of which one fails, a pin, an export, a scrub, a collection,
// robots, a job that has failed, and a definition of whose images one is missing.
export async function livedIn(): Promise<LivedIn> {
  const folder = mkdtempSync(join(tmpdir(), "lived-"));
  const key = await makeKey();
  const { images, referrers } = siteImages();
  const signed = await makeBundle(images, { referrers, flags: ["--sign", key.key, "--channel", "stable"] });
  const fresh = await makeBundle({ "docker.io/library/redis:7.4": noise(2, 200_000), "docker.io/library/nginx:1.27": noise(1, 100_000) }, { flags: ["--sign", key.key, "--channel", "stable"] });
  const drive = join(folder, "drive");
  mkdirSync(drive);
  copyFileSync(fresh.bundle, join(drive, "week 12.bundle"));
  writeFileSync(join(drive, "torn.bundle"), randomBytes(20_000));
  const upstream = await Appliance.start({ args: ["--open"] });
  try {
    await push(upstream.url, "team/worker", noise(1, 50_000), "1.0", "1.1");
    await push(upstream.url, "team/agent", noise(1, 5_000), "1.0");
    const site = await Appliance.start({ args: ["--mirror", mirrorFile(folder, upstream.host)], config: `media: {folders: [${drive}]}\n` });
    await site.add(ada, otto, vera, rita);
    await got(site.api.PUT("/api/v1/trust/policy", { params: { header: { "If-Match": "*" } }, body: { text: policy(readFileSync(key.pub, "utf8")) } }));
    await landfall("bundle", "import", signed.bundle, "--data", site.data);
    await define(site, `${upstream.host}/team/worker:1.1`, `${upstream.host}/team/agent:1.0`);
    await live(site);
    await got(site.api.POST("/api/v1/definitions/check", { body: { name: edge } }));
    return { site, signed: signed.bundle, fresh: fresh.bundle };
  } finally {
    await upstream.stop();
  }
}

// define brings the definition edge of images to a site, which need not have them.
export async function define(site: Appliance, ...images: string[]) {
  const folder = mkdtempSync(join(tmpdir(), "define-"));
  const [profile, file] = [join(folder, "profile.yaml"), join(folder, "edge.def.yaml")];
  writeFileSync(
    profile,
    `apiVersion: landfall.dev/v1alpha1
kind: ClusterProfile
metadata: {name: edge, version: 1.0.0, description: For sites without a link}
spec:
  variables:
    - {name: domain, type: string, default: site.example, format: fqdn, title: Domain}
  layers:
    - {name: team, images: ${JSON.stringify(images)}}
`,
  );
  await landfall("definition", "build", profile, "-o", file, "--plain-http");
  await landfall("definition", "push", file, "--data", site.data);
}

function mirrorFile(folder: string, upstream: string): string {
  const file = join(folder, "mirror.yaml");
  const closed = "127.0.0.1:9"; // nobody answers there
  writeFileSync(
    file,
    `registries:
  - {host: "${upstream}", plainHTTP: true}
  - {host: "${closed}", plainHTTP: true, timeout: 1s}
mirrors:
  - {name: team, source: "${upstream}/team/worker", schedule: "@daily"}
  - {name: away, source: "${closed}/team/app"}
`,
  );
  return file;
}

const policy = (pem: string) => `version: 1
keys:
  - owner: build team
    channels: [stable]
    pem: |
${pem.replace(/^/gm, "      ").trimEnd()}
unsigned: allow
`;

// live lets things happen at a site.
async function live(site: Appliance) {
  const { api } = site;
  const nginx = { repository: "docker.io/library/nginx", tag: "1.26" };
  await got(api.POST("/api/v1/content/pins", { body: { ...nginx, owner: "ada", reason: "the press at hall 3 needs it" } }));
  const team = await got(api.POST("/api/v1/mirrors/run", { body: { mirrors: ["team"] } }));
  const away = await got(api.POST("/api/v1/mirrors/run", { body: { mirrors: ["away"] } }));
  const made = await got(api.POST("/api/v1/bundles/exports", { body: { names: ["docker.io/library/nginx:1.27.1"], sign: true } }));
  for (const job of [team, made]) await site.done(job.id);
  await site.done(away.id).catch(() => undefined);
  await site.done((await got(api.POST("/api/v1/content/scrub", { body: {} }))).id);
  await got(api.DELETE("/api/v1/content/artifact", { params: { query: { name: "team/app:2.0" } } }));
  await site.done((await got(api.POST("/api/v1/content/collect", { body: {} }))).id);
  await got(api.POST("/api/v1/tokens", { body: { name: "ci", role: "viewer", grants: [{ prefix: "team", actions: ["push"] }] } }));
  await got(api.PUT("/api/v1/content/policy", { params: { header: { "If-Match": "*" } }, body: { text: "version: 1\nrules:\n  - {repositories: [\"team/**\"], keep: {last: 5}}\n" } }));
}
