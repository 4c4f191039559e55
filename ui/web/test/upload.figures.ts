import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, test } from "vitest";
import * as en from "../src/text/en";
import { ada, Appliance, type User } from "./kit/appliance";
import { settled, visit } from "./kit/browser";
import { quantile } from "./kit/frames";
import { bigBundle } from "./kit/images";
import { landfall } from "./kit/programs";
import { like } from "./kit/words";

const mib = Number(process.env.LANDFALL_FIGURES_MIB ?? 1024);
const rounds = 5;

let site: Appliance;
let bundle: string;
let token: string; // the file with ada's
beforeAll(async () => {
  bundle = (await bigBundle(mib)).bundle;
  site = await Appliance.start();
  await site.add(ada);
  token = join(site.folder, "token");
  writeFileSync(token, await tokenOf(ada));
});
afterAll(() => site?.stop());

// The same file, in turns by the browser and by the command, from the press of the
// button or the start of the command until the appliance has it whole.
test("upload in the browser, against landfall upload", async () => {
  const rates = { browser: [] as number[], command: [] as number[] };
  for (let n = 0; n < rounds; n++) {
    await visit(site, { as: ada }, async (page) => {
      rates.browser.push(await rate(await inBrowser(page)));
      await clear(page);
      rates.command.push(await rate(() => landfall("upload", bundle, "--server", site.url, "--token-file", token)));
      await clear(page);
    });
  }
  const [browser, command] = [rates.browser, rates.command].map((r) => quantile(r.sort((a, b) => a - b), 0.5));
  console.log(`${mib} MiB, half of ${rounds} rounds: in the browser ${browser?.toFixed(0)} MiB/s, landfall upload ${command?.toFixed(0)} MiB/s, ratio ${((browser ?? 0) / (command ?? 1)).toFixed(2)}`);
  console.log(`all: ${JSON.stringify(rates)}`);
});

// tokenOf makes a personal token, so that the command is the same user as the browser.
async function tokenOf(user: User): Promise<string> {
  let text = "";
  await visit(site, { as: user }, async (page) => {
    const { id } = await (await page.request.get("/api/v1/session")).json();
    const answer = await page.request.post("/api/v1/tokens", { data: { name: "figures", owner: id } });
    ({ text } = await answer.json());
  });
  return text;
}

// inBrowser has the file chosen, and returns the function that sends it.
async function inBrowser(page: Page): Promise<() => Promise<unknown>> {
  await page.goto("/land");
  await settled(page);
  await page.locator("main input[type=file]").setInputFiles(bundle);
  await settled(page);
  return async () => {
    await page.getByRole("button", { name: like(en.land.cargo.send) }).click();
    await page.getByRole("link", { name: like(en.land.transfer.reviewOf) }).waitFor({ timeout: 0 });
  };
}

// rate is how fast something sends the file, in MiB/s.
async function rate(send: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await send();
  return mib / ((performance.now() - from) / 1000);
}

// clear removes what was sent.
async function clear(page: Page) {
  const answer = await page.request.get("/api/v1/uploads");
  const { uploads }: { uploads: { id: string }[] } = await answer.json();
  for (const { id } of uploads) await page.request.delete(`/api/v1/uploads/${id}`, { headers: { "Tus-Resumable": "1.0.0" } });
}
