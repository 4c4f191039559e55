import type { Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as en from "../src/text/en";
import { otto, rita, vera, type User } from "./kit/appliance";
import { settled, visit } from "./kit/browser";
import { livedIn, type LivedIn } from "./kit/site";
import { harmless } from "./harmless";

let lived: LivedIn;
beforeAll(async () => {
  lived = await livedIn();
});
afterAll(() => lived?.site.stop());

// What those are offered who may do more than look, on a definition's own page.
const { gate } = en.clusters;
const ofDefinition = [gate.checkNow, gate.save, en.common.save];

// Whoever follows all links that they are offered is refused nothing on the way, and
// changes nothing by looking. Those who may change nothing are offered no change.
describe.each([vera, otto, rita])("$name", (user: User) => {
  test("sees all that is offered, and is refused nothing", () => walk(user));
});

async function walk(user: User) {
  const refused: string[] = [];
  const changes: string[] = [];
  const offered = new Map<string, string[]>(); // by the kind of page
  const seen = new Map([["/", "/"]]); // paths by what kind of page they are
  await visit(lived.site, { as: user, expected: [/status of 40[13]/] }, async (page) => {
    const at = () => new URL(page.url()).pathname;
    page.on("response", (r) => (r.status() === 401 || r.status() === 403) && refused.push(`${at()}: ${r.status()} for ${r.request().method()} ${r.url()}`));
    page.on("request", (r) => !reads(r.method(), r.url()) && changes.push(`${at()}: ${r.method()} ${r.url()}`));
    for (const [kind, path] of seen) {
      await page.goto(path);
      await settled(page);
      for (const link of await links(page)) if (!seen.has(kindOf(link))) seen.set(kindOf(link), link);
      const more = (await actions(page)).filter((name) => !harmless(name, at()));
      if (more.length > 0) offered.set(kind, more);
    }
  });
  console.log(`${user.name} has visited ${seen.size} kinds of pages (${[...seen.keys()].join(" ")}) and was offered: ${[...new Set([...offered.values()].flat())].join(" | ") || "no change"}`);
  expect(refused, "what a page asked for that one may not know").toEqual([]);
  expect(changes, "what a page has changed by being visited").toEqual([]);
  if (user.role === "viewer") expect(Object.fromEntries(offered), "what a viewer is offered").toEqual({});
  else expect(offered.get("/clusters/d"), "what an operator is offered for a definition").toEqual(expect.arrayContaining(ofDefinition));
}

// Requests that read although they are no GET.
const reads = (method: string, url: string) => method === "GET" || method === "HEAD" || /\/(bundles\/inspect|content\/missing|content\/collect\/preview)/.test(url);

// links are where a page leads to within the UI.
async function links(page: Page): Promise<string[]> {
  const all = await page.evaluate(() => [...document.querySelectorAll<HTMLAnchorElement>("a[href]")].filter((a) => a.origin === location.origin && !a.hasAttribute("download")).map((a) => a.pathname + a.search));
  return [...all.filter((path) => !/^\/(api|v2|auth|setup)\b/.test(path)), "/account"];
}

// kindOf is the same for pages that differ only in what they are about.
function kindOf(path: string): string {
  const [pathname = ""] = path.split("?");
  return pathname.replace(/^(\/content\/r)\/.*/, "$1").replace(/\/(?=[a-z]*\d)[0-9a-z-]{16,}(?=\/|$)/g, "/ID");
}

// actions are the names of all buttons of a page, of the items of its menus, and of
// its switches; what only unfolds something is none.
async function actions(page: Page): Promise<string[]> {
  const main = page.locator("main");
  const names = await namesOf(main.locator("button:not([aria-expanded], [role=tab]):visible, [role=switch]:visible, input[type=file]"));
  for (const menu of await main.locator("[aria-haspopup=menu]:visible").all()) {
    await menu.click();
    names.push(...(await namesOf(page.locator("[role=menuitem]:visible"))));
    await page.keyboard.press("Escape");
  }
  return names;
}

async function namesOf(elements: Locator): Promise<string[]> {
  return elements.evaluateAll((all) =>
    all.map((e) => {
      const label = e instanceof HTMLInputElement ? e.labels?.[0]?.textContent : e.textContent?.trim();
      return e.getAttribute("aria-label") ?? (label || e.outerHTML.slice(0, 120));
    }),
  );
}
