import { randomBytes } from "node:crypto";
import { rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as en from "../src/text/en";
import { harmless } from "./harmless";
import { artifact, first, second, startDefined, type Defined } from "./definitions.site";
import { Appliance, otto, rita, vera } from "./kit/appliance";
import { violations } from "./kit/axe";
import { output, settled, visit } from "./kit/browser";
import { noise } from "./kit/images";
import { got } from "./kit/local";
import { blob, push } from "./kit/oci";
import { landfall, until } from "./kit/programs";

const { common } = en;
const t = en.clusters;
const secret = "a-secret-of-the-site-7";
const pathOf = (reference: string, more = "") => `/clusters/d?name=${encodeURIComponent(reference)}${more}`;

let d: Defined;
let empty: Appliance;
beforeAll(async () => {
  d = await startDefined();
  empty = await Appliance.start();
  await empty.add(otto);
});
afterAll(async () => {
  for (const site of [d?.site, d?.connected, empty]) await site?.stop();
});

const section = (page: Page, name: string | RegExp) => page.getByRole("region", { name });
const badge = (page: Page, state: string) => section(page, t.gate.title).getByText(state, { exact: true });

// The parts of this page in their order: what a test leaves, the next one finds.
describe("a definition", () => {
  test("is listed with who signed it, what is missing for it, and its platforms", async () => {
    await visit(d.site, { as: otto }, async (page) => {
      await page.goto("/clusters");
      await checkedByItself(page, first);
      await page.goto("/clusters");
      await settled(page);
      const row = page.getByRole("row").filter({ hasText: "1.0.0" });
      for (const text of ["build team", t.state.missing ?? "", "linux/amd64"]) await row.getByText(text).first().waitFor();
      await page.getByRole("row").filter({ hasText: "2.0.0" }).getByText(t.unsigned).waitFor();
      await row.getByRole("link").click();
      await page.getByRole("heading", { level: 1, name: "edge 1.0.0" }).waitFor();
      await badge(page, t.state.missing ?? "").first().waitFor();
      const table = section(page, t.gate.title).getByRole("table");
      for (const name of d.images) await table.getByText(name).first().waitFor();
    });
  });

  test("says why an image is in it, by the keyboard, too", async () => {
    const [app = ""] = d.images;
    await visit(d.site, { as: otto }, async (page) => {
      await page.goto(pathOf(first));
      await settled(page);
      const dialog = page.getByRole("dialog");
      await page.getByRole("grid").getByRole("link", { name: app }).click();
      for (const text of ["web 1.0.0", "Pod", "spec.containers[0].image"]) await dialog.getByText(text).first().waitFor();
      await page.keyboard.press("Escape");
      await dialog.waitFor({ state: "detached" });
      await page.getByRole("grid").getByRole("row").nth(2).focus();
      await page.keyboard.press("Enter");
      await dialog.getByText("two.yaml").or(dialog.getByText("one.yaml")).first().waitFor();
    });
  });

  test("takes values by its rules, and never shows a secret", async () => {
    await visit(d.site, { as: otto, expected: [/status of 400 .*definitions\/values/] }, async (page) => {
      await page.goto(pathOf(first));
      await settled(page);
      await fillValues(page);
      await page.reload();
      await settled(page);
      const values = section(page, t.values.title);
      expect(await values.getByLabel("Copies").inputValue()).toBe("3");
      expect(await values.getByLabel("hosts").inputValue()).toBe('["192.0.2.1"]');
      expect(await values.getByLabel("size").first().inputValue()).toBe("large");
      expect(await values.getByLabel("password").first().inputValue()).toBe("");
      expect(await values.getByLabel("salt").count()).toBe(0);
      expect(await page.content()).not.toContain(secret);
    });
  });

  test("does not overwrite what somebody else has said meanwhile", async () => {
    await visit(d.site, { as: otto, expected: [/status of 412 .*definitions\/values/] }, async (page) => {
      await page.goto(pathOf(first));
      await settled(page);
      await got(d.site.api.PATCH("/api/v1/definitions/values", { params: { query: { name: first } }, body: { set: { domain: "plant.example" } } }));
      const values = section(page, t.values.title);
      await values.getByLabel("Copies").fill("4");
      await values.getByRole("button", { name: common.save }).click();
      await values.getByText(t.values.stale).waitFor();
      await until(async () => (await values.getByLabel("domain").inputValue()) === "plant.example");
      expect(await values.getByLabel("Copies").inputValue()).toBe("4");
      await values.getByLabel("domain").fill(""); // the default again
      await values.getByLabel("Copies").fill("3");
      await values.getByRole("button", { name: common.save }).click();
      await page.getByText(t.values.saved).waitFor();
      await values.getByText(t.values.stale).waitFor({ state: "detached" });
      expect(await values.getByLabel("domain").inputValue()).toBe("");
    });
  });

  test("keeps what a cluster in use has: those fields are off", async () => {
    await visit(d.site, { as: otto }, async (page) => {
      // Nothing that can be asked for locks values yet: it is put into the appliance's answer.
      await page.route("**/api/v1/definitions/values?*", async (route) => {
        const response = await route.fetch();
        await route.fulfill({ response, json: { ...(await response.json()), locked: true } });
      });
      await page.goto(pathOf(first));
      await settled(page);
      const values = section(page, t.values.title);
      await values.getByText(t.values.locked).waitFor();
      expect(await values.getByLabel("domain").isDisabled()).toBe(true);
      expect(await values.getByLabel("Copies").isDisabled()).toBe(false);
      expect(await values.locator("[data-variable]:disabled").count()).toBe(1);
    });
  });

  test("is compared with another version: values, images, layers, bytes", async () => {
    await visit(d.site, { as: otto }, async (page) => {
      await page.goto(pathOf(first));
      await settled(page);
      await section(page, t.compare.title).getByRole("textbox", { name: t.compare.with }).or(page.getByRole("combobox", { name: t.compare.with })).first().click();
      await page.getByRole("option", { name: "edge 2.0.0" }).click();
      await settled(page);
      const upgrade = page.getByRole("group", { name: t.compare.upgrade });
      const whose = async (name: string, state: string) => upgrade.getByRole("row").filter({ hasText: name }).getByText(t.compare.whose[state] ?? "").waitFor();
      await whose("replicas", "invalid"); // 3 is not enough any more
      await whose("size", "ours");
      await whose("domain", "theirs");
      await whose("region", "new");
      await whose("debug", "removed");
      expect(await upgrade.getByText("salt").count()).toBe(0);
      await upgrade.getByRole("row").filter({ hasText: "password" }).getByText(t.values.set, { exact: true }).waitFor();
      await page.getByRole("group", { name: t.compare.images }).getByRole("row").filter({ hasText: "team/tool:v2" }).getByText(t.compare.changes.removed ?? "").waitFor();
      await page.getByRole("group", { name: t.compare.rest }).getByText("region").waitFor();
      expect(new URL(page.url()).searchParams.get("to")).toBe(second);
    });
  });

  test.each(["light", "dark"] as const)("can be used by everybody, %s", async (colorScheme) => {
    const found: string[] = [];
    await visit(d.site, { as: otto, colorScheme, reducedMotion: "reduce" }, async (page) => {
      for (const [name, path] of Object.entries({ list: "/clusters", whole: pathOf(first, `&to=${encodeURIComponent(second)}`), why: pathOf(first, `&image=${encodeURIComponent(d.images[0] ?? "")}`), gone: pathOf("nosuch:1") })) {
        found.push(...(await look(page, path, `definitions-${name}-${colorScheme}`)));
      }
    });
    await visit(empty, { as: otto, colorScheme, reducedMotion: "reduce" }, async (page) => {
      found.push(...(await look(page, "/clusters", `definitions-empty-${colorScheme}`)));
      await page.getByText("landfall definition push").waitFor();
    });
    expect(found).toEqual([]);
  });

  test("is as wide as a tablet in German", async () => {
    await visit(d.site, { as: otto, locale: "de-DE", viewport: { width: 820, height: 1180 } }, async (page) => {
      for (const path of ["/clusters", pathOf(first, `&to=${encodeURIComponent(second)}`)]) {
        await page.goto(path);
        await page.getByRole("heading", { level: 2 }).nth(path === "/clusters" ? 0 : 4).waitFor();
        await settled(page);
        expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth), path).toBeLessThanOrEqual(0);
      }
    });
  });

  test("offers nothing to change to who may only read, and its values all the same", async () => {
    await visit(d.site, { as: vera }, async (page) => {
      await page.goto(pathOf(first));
      await settled(page);
      const buttons = await page.locator("main button:not([aria-expanded]):visible").evaluateAll((all) => all.map((b) => b.getAttribute("aria-label") ?? b.textContent ?? ""));
      expect(buttons.filter((b) => !harmless(b, "/clusters/d"))).toEqual([]);
      expect(await section(page, t.values.title).getByRole("textbox").count()).toBe(0);
      await section(page, t.values.title).getByRole("row").filter({ hasText: "password" }).getByText(t.values.set, { exact: true }).waitFor();
    });
    const asked: string[] = [];
    await visit(d.site, { as: rita }, async (page) => {
      page.on("request", (r) => r.url().includes("/api/v1/definitions") && asked.push(r.url()));
      await page.goto("/clusters");
      await page.getByText(en.shell.failure[403].what).waitFor();
    });
    expect(asked).toEqual([]);
  });

  test("becomes complete by the bundle of its wants list, while one looks at it", async () => {
    await visit(d.site, { as: otto }, async (page) => {
      await page.goto(pathOf(first));
      await settled(page);
      const saved = page.waitForEvent("download");
      await page.getByRole("button", { name: t.gate.save }).click();
      const download = await saved;
      expect(download.suggestedFilename()).toBe("edge-1.0.0.wants.json");
      const wants = join(d.folder, "wants.json");
      await download.saveAs(wants);
      const bundle = join(d.folder, "wanted.bundle");
      await landfall("bundle", "create", "--wants", wants, "--plain-http", "-o", bundle);
      await landfall("bundle", "import", bundle, "--data", d.site.data);
      await section(page, t.gate.title).getByText(t.gate.means.complete ?? "").waitFor();
      expect(await page.getByRole("button", { name: t.gate.save }).count()).toBe(0);
      await page.getByLabel(t.gate.readAll).check();
      await page.getByRole("button", { name: t.gate.checkNow }).click();
      await section(page, t.gate.title).getByText(t.gate.deep).waitFor();
      await page.goto("/clusters");
      await page.getByRole("row").filter({ hasText: "1.0.0" }).getByText(t.state.complete ?? "").waitFor();
    });
  });

  test("is moved, refused or damaged, each with what to do", async () => {
    const [app = "", tool = ""] = d.images;
    await moveTag(tool);
    await visit(d.site, { as: otto }, async (page) => {
      await page.goto(pathOf(first));
      const gate = section(page, t.gate.title);
      const rowOf = (name: string) => gate.getByRole("row").filter({ hasText: name });
      await gate.getByText(t.gate.means.moved ?? "").waitFor();
      await rowOf(tool).getByText(t.state.moved ?? "", { exact: true }).waitFor();
      await wantSignatures();
      await rowOf(app).getByText(t.state.refused ?? "", { exact: true }).waitFor();
      damage(d.layers[0] ?? "");
      await page.getByLabel(t.gate.readAll).check();
      await page.getByRole("button", { name: t.gate.checkNow }).click();
      await gate.getByText(t.gate.means.damaged ?? "").waitFor();
      await rowOf(app).getByText(t.state.damaged ?? "", { exact: true }).waitFor();
      await page.goto("/clusters");
      await page.getByRole("row").filter({ hasText: "1.0.0" }).getByText(t.state.damaged ?? "", { exact: true }).waitFor();
    });
  });
});

test("what cannot be read as a definition is listed, and says why", async () => {
  const document = blob("application/vnd.landfall.definition.document.v1alpha1+yaml", Buffer.from("no definition\n"));
  await push(d.connected.url, "definitions.landfall.dev/torn", artifact("application/vnd.landfall.definition.v1alpha1", document), "1.0.0");
  const found: string[] = [];
  await visit(d.connected, { reducedMotion: "reduce" }, async (page) => {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      found.push(...(await look(page, "/clusters", `definitions-torn-list-${colorScheme}`)));
      const row = page.getByRole("row").filter({ hasText: "1.0.0" });
      await row.getByText(t.unreadable, { exact: true }).waitFor();
      expect(await row.getByText(t.unsigned).count(), "nobody knows who has signed it").toBe(0);
      await page.getByRole("link", { name: "torn 1.0.0" }).click();
      await page.getByRole("alert").getByText(/^definitions\.landfall\.dev\/torn.*invalid/).waitFor();
      found.push(...(await look(page, pathOf("definitions.landfall.dev/torn:1.0.0"), `definitions-torn-${colorScheme}`)));
    }
  });
  expect(found).toEqual([]);
});

// What comes while one looks at the list is there without asking for it again.
test("a definition that is pushed is listed by itself, with what the gate found", async () => {
  await visit(empty, { as: otto }, async (page) => {
    const heard = page.waitForResponse((r) => r.url().includes("/api/v1/events"));
    await page.goto("/clusters");
    await page.getByText(t.empty).waitFor();
    await heard;
    await landfall("definition", "push", join(d.folder, "two.def.yaml"), "--data", empty.data);
    const row = page.getByRole("row").filter({ hasText: "2.0.0" });
    await row.getByText(t.state.missing ?? "", { exact: true }).waitFor();
  });
});

// moveTag lets the name of an image stand for another one at the site.
async function moveTag(name: string) {
  const [, repository = "", tag = ""] = /^[^/]+\/(.*):(.*)$/.exec(name) ?? [];
  await push(d.connected.url, repository, noise(1, 5_000), tag);
  const bundle = join(d.folder, "moved.bundle");
  await landfall("bundle", "create", name, "--plain-http", "-o", bundle);
  await landfall("bundle", "import", bundle, "--data", d.site.data);
}

// wantSignatures lets the site's policy want signatures that its images do not have.
async function wantSignatures() {
  const { text } = await got(d.site.api.GET("/api/v1/trust/policy"));
  const [key] = await got(d.site.api.GET("/api/v1/trust/keys"));
  const rule = `images:\n  - {repositories: ["**"], keys: ["${key?.id}"], unsigned: refuse}\n`;
  await got(d.site.api.PUT("/api/v1/trust/policy", { params: { header: { "If-Match": "*" } }, body: { text: text + rule } }));
}

// damage writes other bytes over a blob at the site.
function damage(digest: string) {
  const [algorithm = "", hex = ""] = digest.split(":");
  const file = join(d.site.data, "blobs", algorithm, hex.slice(0, 2), hex);
  const { size } = statSync(file);
  rmSync(file); // it may be read-only
  writeFileSync(file, randomBytes(size));
}

// checkedByItself waits until the gate has looked at a definition, which nobody asks it
// for.
async function checkedByItself(page: Page, reference: string) {
  await until(async () => {
    const list: { reference: string; gate?: object }[] = await (await page.request.get("/api/v1/definitions")).json();
    return list.some((one) => one.reference === reference && one.gate);
  });
}

// fillValues breaks a rule first, which is told at its field; what is right beside it
// is not lost.
async function fillValues(page: Page) {
  const values = section(page, t.values.title);
  const save = values.getByRole("button", { name: common.save });
  expect(await save.isDisabled()).toBe(true);
  await values.getByLabel("Copies").fill("9");
  await values.getByLabel("password").first().fill(secret);
  await values.getByLabel("hosts").fill("192.0.2.1");
  await save.click();
  await values.getByText(t.values.noJson).waitFor();
  await values.getByLabel("hosts").fill('["192.0.2.1"]');
  await save.click();
  await values.getByText("rule max").waitFor();
  expect(await values.getByLabel("Copies").getAttribute("aria-invalid")).toBe("true");
  await values.getByLabel("Copies").fill("3");
  await values.getByRole("combobox", { name: "size" }).or(values.getByRole("textbox", { name: "size" })).first().click();
  await page.getByRole("option", { name: "large" }).click();
  await save.click();
  await page.getByText(t.values.saved).waitFor();
  await settled(page);
}

// look looks at a page at two widths: what axe finds, and whether it is too wide.
async function look(page: Page, path: string, name: string): Promise<string[]> {
  const found: string[] = [];
  await page.goto(path);
  await settled(page);
  for (const width of [1280, 820]) {
    await page.setViewportSize({ width, height: 1000 });
    await settled(page);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (over > 0) found.push(`${name}, ${width} wide, scrolls sideways by ${over}`);
    found.push(...(await violations(page)).map((v) => `${name}, ${width} wide: ${v}`));
    await page.screenshot({ path: join(output, `${name}-${width}.png`), fullPage: true, animations: "disabled" });
  }
  return found;
}
