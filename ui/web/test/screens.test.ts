import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ada } from "./kit/appliance";
import { violations } from "./kit/axe";
import { output, settled, visit } from "./kit/browser";
import { startSites, stopSites, type Sites } from "./kit/sites";
import { sights, type Sight } from "./pages";

const schemes = ["light", "dark"] as const;
const widths = [1280, 820];

let sites: Sites;
const rows: string[] = [];

beforeAll(async () => {
  mkdirSync(output, { recursive: true });
  sites = await startSites();
});

afterAll(async () => {
  await stopSites(sites);
  writeFileSync(join(output, "index.html"), gallery());
  console.log(["what axe found, in light and dark, 1280 and 820 wide:", ...rows].join("\n"));
});

for (const sight of sights) {
  test(`${sight.name} can be used by everybody, and is as wide as the window`, () => look(sight));
}

async function look(sight: Sight) {
  const site = sites[sight.on];
  const found: string[] = [];
  await visit(site, { as: sight.nobody ? undefined : ada, reducedMotion: "reduce" }, async (page) => {
    await page.goto(typeof sight.path === "string" ? sight.path : sight.path(site));
    await settled(page);
    await sight.act?.(page);
    for (const colorScheme of schemes) {
      await page.emulateMedia({ colorScheme });
      for (const width of widths) {
        await take(page, `${sight.name}-${colorScheme}-${width}`, width, found);
        found.push(...(await violations(page)).map((v) => `${colorScheme}, ${width} wide: ${v}`));
      }
    }
  });
  rows.push(`  ${sight.name}: ${found.length || "nothing"}`);
  expect(found).toEqual([]);
}

async function take(page: Page, name: string, width: number, found: string[]) {
  await page.setViewportSize({ width, height: 1000 });
  await settled(page);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (over > 0) found.push(`${width} wide, the page scrolls sideways by ${over}`);
  await page.screenshot({ path: join(output, name + ".png"), fullPage: true, animations: "disabled" });
}

// gallery is a page that shows the screenshots.
function gallery(): string {
  const figure = (name: string) => `<figure><figcaption>${name}</figcaption><img src="${name}.png" alt="${name}" loading="lazy"></figure>`;
  const all = sights.flatMap((s) => schemes.flatMap((scheme) => widths.map((width) => figure(`${s.name}-${scheme}-${width}`))));
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Screenshots</title><style>body{font:14px sans-serif;display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0}img{width:38rem;border:1px solid #8888}</style>${all.join("\n")}</html>`;
}
