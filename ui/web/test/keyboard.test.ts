import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as en from "../src/text/en";
import { ada, Appliance, password } from "./kit/appliance";
import { settled, visit } from "./kit/browser";
import { makeBundle, noise } from "./kit/images";
import { got } from "./kit/local";
import { push } from "./kit/oci";
import { landfall } from "./kit/programs";
import { define } from "./kit/site";

const names = ["1.0", "1.1", "1.2"].map((tag) => `docker.io/library/app:${tag}`);

let site: Appliance;
beforeAll(async () => {
  const image = noise(1, 1000);
  const content = await makeBundle(Object.fromEntries(names.map((n) => [n, image])));
  site = await Appliance.start();
  await site.add(ada);
  await landfall("bundle", "import", content.bundle, "--data", site.data);
});
afterAll(() => site?.stop());

// defined is a site's definition, of an image that the site does not have.
async function defined() {
  const from = await Appliance.start({ args: ["--open"] });
  try {
    await push(from.url, "team/agent", noise(1, 1000), "1.0");
    await define(site, `${from.host}/team/agent:1.0`);
  } finally {
    await from.stop();
  }
}

// tabTo goes on by Tab until what has a role and a name has the focus.
async function tabTo(page: Page, role: "link" | "button" | "grid" | "textbox", name: string) {
  const wanted = page.getByRole(role, { name, exact: true });
  for (let n = 0; n < 60; n++) {
    if (await wanted.evaluateAll((all) => all.some((e) => e.contains(document.activeElement)))) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab does not get to the ${role} ${name}`);
}

// Nobody needs a mouse: signing in, finding an image in the list, and deleting its tag.
test("a tag is found and deleted with the keyboard alone", async () => {
  await visit(site, {}, async (page) => {
    await page.goto("/");
    await page.getByRole("textbox", { name: en.common.name }).waitFor();
    await page.keyboard.type("ada");
    await page.keyboard.press("Tab");
    await page.keyboard.type(password);
    await page.keyboard.press("Enter");
    await page.getByRole("navigation", { name: en.shell.menu }).waitFor();
    await tabTo(page, "link", en.shell.content);
    await page.keyboard.press("Enter");
    await page.getByRole("grid", { name: en.content.names }).waitFor();
    await settled(page);
    await tabTo(page, "grid", en.content.names);
    await page.keyboard.press("End");
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: names[1] }).waitFor();
    await settled(page);
    await tabTo(page, "button", en.common.actionsFor(names[1] ?? ""));
    await page.keyboard.press("Enter");
    await page.getByRole("menu").waitFor();
    await goDownTo(page, en.content.remove.tag("1.1"));
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").getByText(en.content.remove.tagGoes).waitFor();
    await tabTo(page, "button", en.common.delete);
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
  });
  const left = await site.api.GET("/api/v1/content/names");
  expect(left.data?.items?.map((n) => n.name)).toEqual([names[0], names[2]]);
});

// Nor for a definition: looking at it, asking the gate, and saying a value.
test("a definition is found, checked and given a value with the keyboard alone", async () => {
  const { gate, values } = en.clusters;
  await defined();
  await visit(site, { as: ada }, async (page) => {
    await page.goto("/");
    await settled(page);
    await tabTo(page, "link", en.shell.clusters);
    await page.keyboard.press("Enter");
    await page.getByRole("link", { name: "edge 1.0.0" }).waitFor();
    await tabTo(page, "link", "edge 1.0.0");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "edge 1.0.0" }).waitFor();
    await settled(page);
    await tabTo(page, "button", gate.checkNow);
    const checked = page.waitForResponse((r) => r.request().method() === "POST" && r.url().endsWith("/definitions/check"));
    await page.keyboard.press("Enter");
    expect((await checked).status()).toBe(200);
    await page.getByRole("region", { name: gate.title }).getByText(gate.means.missing ?? "").waitFor();
    await settled(page);
    await tabTo(page, "textbox", "Domain");
    await page.keyboard.type("plant.example");
    await page.keyboard.press("Enter");
    await page.getByText(values.saved).waitFor();
  });
  const said = await got(site.api.GET("/api/v1/definitions/values", { params: { query: { name: "edge" } } }));
  expect(said.variables?.map((v) => [v.name, v.value])).toEqual([["domain", "plant.example"]]);
});

// goDownTo goes down an open menu to an item.
async function goDownTo(page: Page, name: string) {
  const wanted = page.getByRole("menuitem", { name, exact: true });
  for (let n = 0; n < 12; n++) {
    if (await wanted.evaluate((e) => e === document.activeElement)) return;
    await page.keyboard.press("ArrowDown");
  }
  throw new Error(`the menu has no ${name}`);
}
