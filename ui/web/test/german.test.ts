import { afterAll, beforeAll, expect, test } from "vitest";
import * as de from "../src/text/de";
import { ada } from "./kit/appliance";
import { settled, visit } from "./kit/browser";
import { startSites, stopSites, type Sites } from "./kit/sites";
import { sights } from "./pages";

let sites: Sites;
beforeAll(async () => {
  sites = await startSites();
});
afterAll(() => stopSites(sites));

// German words are longer: pages are as wide as a tablet in German, too.
test("a browser that speaks German gets German pages, as wide as the window", async () => {
  const found: string[] = [];
  for (const sight of sights.filter((s) => !s.act)) {
    const site = sites[sight.on];
    await visit(site, { as: sight.nobody ? undefined : ada, locale: "de-DE", viewport: { width: 820, height: 1180 } }, async (page) => {
      await page.goto(typeof sight.path === "string" ? sight.path : sight.path(site));
      await page.getByRole("status", { name: de.common.loading }).first().waitFor({ state: "detached" });
      await settled(page);
      const [language, over] = await page.evaluate(() => [document.documentElement.lang, document.documentElement.scrollWidth - window.innerWidth]);
      if (language !== "de") found.push(`${sight.name} is in ${language}`);
      if (Number(over) > 0) found.push(`${sight.name} scrolls sideways by ${over}`);
    });
  }
  expect(found).toEqual([]);
});
