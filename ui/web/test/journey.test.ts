import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as en from "../src/text/en";
import { Appliance, password } from "./kit/appliance";
import { settled, visit } from "./kit/browser";
import { bigBundle, type Content } from "./kit/images";
import { run, unable, until } from "./kit/programs";
import { like } from "./kit/words";

const mebi = 1 << 20;

let site: Appliance;
let content: Content;
beforeAll(async () => {
  content = await bigBundle(200);
  site = await Appliance.start({ args: ["--lease", "0"] }); // what was pulled may go at once
});
afterAll(() => site?.stop());

// In the browser's console, for as long as the appliance is away.
const away = /net::ERR_(CONNECTION|EMPTY_RESPONSE|INCOMPLETE|SOCKET)/;

// The appliance says so which more of a bundle it has to see before it is sent.
const asksForMore = /status of 422 .*inspect\/outline/;

test.skipIf(unable("skopeo"))("from the first start to a pull, through a power cut, and back to nothing", async () => {
  const [name = ""] = content.names;
  await visit(site, { expected: [away, asksForMore] }, async (page) => {
    await setUp(page);
    const before = await sendUntilPowerCut(page);
    await sendRest(page, before);
    await land(page, name);
    expect(await pulled(name)).toBe(content.digests[name]);
    await remove(page, name);
    await collect(page);
    expect(await Promise.all(content.blobs.map((b) => statusOf(name, b)))).toEqual(content.blobs.map(() => 404));
  });
});

// setUp goes through the first start, with a reload in the middle.
async function setUp(page: Page) {
  await page.goto(site.link);
  await page.getByRole("textbox", { name: en.common.name }).fill("ada");
  for (const field of await page.locator("input[autocomplete=new-password]").all()) await field.fill(password);
  await page.getByRole("button", { name: en.setup.makeAdmin }).click();
  await page.getByRole("heading", { name: en.setup.siteTitle }).waitFor();
  await page.reload();
  await page.getByRole("textbox", { name: en.setup.siteName }).fill("Plant 7");
  await page.getByRole("button", { name: en.common.next }).click();
  await page.getByRole("heading", { name: en.setup.tlsTitle }).waitFor();
  await page.getByRole("link", { name: en.common.next }).click();
  await page.getByRole("heading", { name: en.setup.trustTitle }).waitFor();
  await page.getByRole("link", { name: en.setup.skip }).click();
  await page.getByRole("link", { name: en.setup.openHome }).click();
  await settled(page);
  expect(new URL(page.url()).pathname).toBe("/");
}

// sendUntilPowerCut chooses the bundle and sends it over a slow link; the appliance is
// killed when a part of it is on its disk. It says how much that was.
async function sendUntilPowerCut(page: Page): Promise<number> {
  await page.getByRole("navigation", { name: en.shell.menu }).getByRole("link", { name: en.shell.land }).click();
  const network = await page.context().newCDPSession(page);
  await network.send("Network.enable");
  await network.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 24 * mebi });
  await choose(page);
  const there = await until(async () => {
    const offset = await arrived(page);
    return offset >= 32 * mebi && offset;
  });
  await site.kill();
  await network.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
  await network.detach();
  return there;
}

// choose picks the bundle, and has it sent.
async function choose(page: Page) {
  await page.locator("main input[type=file]").setInputFiles(content.bundle);
  await page.getByRole("button", { name: like(en.land.cargo.send) }).click();
}

// arrived is how much of uploads the appliance has on its disk.
async function arrived(page: Page): Promise<number> {
  const answer = await page.request.get("/api/v1/uploads");
  const { uploads }: { uploads: { offset: number }[] | null } = await answer.json();
  return (uploads ?? []).reduce((sum, u) => sum + u.offset, 0);
}

// sendRest comes back after the power cut: the page is loaded again, and the same file
// is chosen. It goes on where the disk of the appliance was.
async function sendRest(page: Page, before: number) {
  await page.getByText(en.land.transfer.waiting).waitFor();
  await site.restart();
  page.once("dialog", (d) => void d.accept()); // it warns that something is being sent
  await page.reload();
  const kept = await arrived(page);
  expect(kept, "what is there after the power cut").toBeGreaterThanOrEqual(before);
  const { told, begun } = followOffsets(page);
  await choose(page);
  await page.getByRole("link", { name: like(en.land.transfer.reviewOf) }).waitFor();
  expect(begun.size).toBeGreaterThan(0);
  for (const [upload, offset] of begun) expect(offset, "where sending went on").toBe(told.get(upload));
  // The page before the reload may have brought more since.
  const offsets = [...begun.values()].reduce((a, b) => a + b, 0);
  expect(offsets, "where sending went on").toBeGreaterThanOrEqual(kept);
}

// followOffsets notes from where the appliance says that each upload has to go on, and
// from where it does first.
function followOffsets(page: Page) {
  const told = new Map<string, number>();
  const begun = new Map<string, number>();
  const path = (url: string) => new URL(url).pathname;
  page.on("response", (r) => {
    const offset = r.headers()["upload-offset"];
    if (r.request().method() === "HEAD" && offset && !begun.has(path(r.url()))) told.set(path(r.url()), Number(offset));
  });
  page.on("request", (r) => {
    if (r.method() === "PATCH" && !begun.has(path(r.url()))) begun.set(path(r.url()), Number(r.headers()["upload-offset"]));
  });
  return { told, begun };
}

// land looks at what came, and lands it.
async function land(page: Page, name: string) {
  await page.getByRole("link", { name: like(en.land.transfer.reviewOf) }).click();
  await page.getByRole("cell", { name }).waitFor();
  await page.getByRole("button", { name: en.land.form.land, exact: true }).click();
  await page.getByText(en.land.landing.done).waitFor();
}

// pulled is the digest of what a client has pulled, all of it.
async function pulled(name: string): Promise<string> {
  const reference = `docker://${site.host}/${name}`;
  await run("skopeo", "copy", "--quiet", "--preserve-digests", "--src-tls-verify=false", reference, `dir:${site.folder}/pulled`);
  return (await run("skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", reference)).trim();
}

// remove deletes a name, and sees before what that leads to.
async function remove(page: Page, name: string) {
  const [, tag = ""] = name.split(":");
  await page.getByRole("navigation", { name: en.shell.menu }).getByRole("link", { name: en.shell.content, exact: true }).click();
  await page.getByRole("grid", { name: en.content.names }).getByRole("link", { name }).click();
  await page.getByRole("button", { name: en.common.actionsFor(name) }).click();
  await page.getByRole("menuitem", { name: en.content.remove.tag(tag) }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText(en.content.remove.tagGoes).waitFor();
  await dialog.getByText(like(en.content.remove.frees)).waitFor();
  await dialog.getByRole("button", { name: en.common.delete }).click();
  await dialog.waitFor({ state: "hidden" });
}

// collect frees what nothing needs any more.
async function collect(page: Page) {
  const words = en.content.space;
  await page.goto("/content/space");
  await page.getByRole("button", { name: words.collectNow }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox").fill(words.collectNowType);
  await dialog.getByRole("button", { name: words.collectNow }).click();
  await page.getByText(en.shell.jobEnded.done(en.jobs.kind.collect ?? "")).waitFor();
}

const statusOf = async (name: string, digest: string) => (await fetch(`${site.url}/v2/${name.split(":")[0]}/blobs/${digest}`, { method: "HEAD" })).status;
