import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as en from "../src/text/en";
import { ada, Appliance } from "./kit/appliance";
import { settled, visit } from "./kit/browser";
import { makeBundle, makeKey, noise, type Content } from "./kit/images";
import { got } from "./kit/local";
import { push } from "./kit/oci";
import { landfall, run, unable } from "./kit/programs";
import { like } from "./kit/words";

const folder = mkdtempSync(join(tmpdir(), "files-"));
const name = "registry.example/team/tool:2";

let site: Appliance;
let content: Content;
let files: string[];
beforeAll(async () => {
  const key = await makeKey();
  content = await makeBundle({ "docker.io/library/redis:7.4": noise(3, 400_000) }, { flags: ["--channel", "stable"] });
  await landfall("bundle", "sign", content.bundle, "--detached", "--key", key.key);
  site = await Appliance.start();
  await site.add(ada);
  const pem = readFileSync(key.pub, "utf8").trimEnd().replace(/^/gm, "      ");
  await got(site.api.PUT("/api/v1/trust/policy", { params: { header: { "If-Match": "*" } }, body: { text: `version: 1\nkeys:\n  - owner: build team\n    channels: [stable]\n    pem: |\n${pem}\nunsigned: refuse\n` } }));
  files = [...cut(readFileSync(content.bundle)), content.bundle + ".sig", await archive()];
});
afterAll(() => site?.stop());

// cut makes three parts of a bundle.
function cut(bundle: Buffer): string[] {
  const size = Math.ceil(bundle.length / 3);
  return [1, 2, 3].map((n) => {
    const part = join(folder, `carry.bundle.00${n}`);
    writeFileSync(part, bundle.subarray((n - 1) * size, n * size));
    return part;
  });
}

// archive is an image as an OCI archive.
async function archive(): Promise<string> {
  const from = await Appliance.start({ args: ["--open"] });
  try {
    await push(from.url, "team/tool", noise(1, 100_000), "2");
    const file = join(folder, "tool.tar");
    await run("skopeo", "copy", "--quiet", "--src-tls-verify=false", `docker://${from.host}/team/tool:2`, `oci-archive:${file}:${name}`);
    return file;
  } finally {
    await from.stop();
  }
}

// A bundle in parts with a signature beside it, and an archive, chosen at once: what is
// in the bundle, and who signed it, is said before anything is sent; then both are sent,
// and the bundle lands under a policy that wants that signature.
test.skipIf(unable("skopeo"))("several files are chosen at once, and find each other", async () => {
  await visit(site, { as: ada }, async (page) => {
    await page.goto("/land");
    await settled(page);
    await page.locator("main input[type=file]").setInputFiles(files);
    await page.getByText(like(en.land.cargo.parts)).first().waitFor();
    await page.getByText(/build team/).first().waitFor();
    expect((await got(site.api.GET("/api/v1/uploads", { params: { query: { all: true } } }))).uploads ?? [], "nothing was sent before").toEqual([]);
    await page.getByRole("button", { name: like(en.land.cargo.sendAll) }).click();
    const ready = page.getByRole("link", { name: like(en.land.transfer.reviewOf) });
    await ready.nth(1).waitFor();
    await ready.filter({ hasNotText: "tool" }).and(page.getByRole("link", { name: /carry/ })).first().click();
    await page.getByRole("cell", { name: content.names[0] }).waitFor();
    await page.getByRole("button", { name: en.land.form.land, exact: true }).click();
    await page.getByText(en.land.landing.done).waitFor();
  });
  const names = await got(site.api.GET("/api/v1/content/names"));
  expect(names.items?.map((n) => `${n.name} ${n.digest}`)).toEqual(content.names.map((n) => `${n} ${content.digests[n]}`));
});
