import type { Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as en from "../src/text/en";
import { Appliance } from "./kit/appliance";
import { settled, visit } from "./kit/browser";
import { frames, quantile } from "./kit/frames";
import { until } from "./kit/programs";
import { searchTimes } from "./kit/search";
import { fillTags } from "./kit/tags";

const count = 100_000;
const mostElements = 3000;

let site: Appliance;
beforeAll(async () => {
  site = await Appliance.start({ args: ["--open"] });
  await fillTags(site, count);
});
afterAll(() => site?.stop());

// Whoever scrolls sees rows, wherever they get to, and the document stays small.
test("100,000 tags can be scrolled through", async () => {
  await visit(site, {}, async (page) => {
    await page.goto("/content");
    await settled(page);
    const grid = page.getByRole("grid", { name: en.content.names });
    await grid.hover();
    const wheeled = await frames(page, async () => {
      for (let turn = 0; turn < 40; turn++) await page.mouse.wheel(0, 1500);
    });
    await expectFull(page, grid);
    await row(grid).first().focus();
    const jumped = await frames(page, async () => {
      await page.keyboard.press("End");
      await grid.locator(`[role=row][aria-rowindex="${count + 1}"]`).waitFor();
    });
    await expectFull(page, grid);
    const back = await frames(page, async () => {
      for (let turn = 0; turn < 40; turn++) await page.mouse.wheel(0, -100_000);
      for (let turn = 0; turn < 20; turn++) await page.keyboard.press("PageUp");
    });
    await expectFull(page, grid);
    await page.keyboard.press("Home");
    await grid.locator('[role=row][aria-rowindex="2"]').waitFor();
    await expectFull(page, grid);
    for (const [what, times] of Object.entries({ wheel: wheeled, "to the end": jumped, back })) {
      console.log(`frames, ${what}: ${times.length}, half under ${quantile(times, 0.5).toFixed(1)} ms, 95% under ${quantile(times, 0.95).toFixed(1)} ms, all under ${quantile(times, 1).toFixed(0)} ms`);
    }
  });
});

const row = (grid: Locator) => grid.locator("[role=row][data-index]");

// expectFull expects that all that is in sight of the grid has rows in it, as soon as
// the page has drawn, and that there are not too many elements.
async function expectFull(page: Page, grid: Locator) {
  await until(() => grid.evaluate(isFull));
  expect(await page.evaluate(() => document.querySelectorAll("*").length)).toBeLessThan(mostElements);
}

// isFull looks at points of the list from its top to its bottom.
function isFull(grid: HTMLElement | SVGElement): boolean {
  const body = grid.querySelector("[role=row][data-index]")?.closest("[role=rowgroup]")?.getBoundingClientRect();
  if (!body) return false;
  const [from, to] = [Math.max(body.top, 0) + 2, Math.min(body.bottom, window.innerHeight) - 2];
  for (let y = from; y < to; y += 20) {
    if (!document.elementFromPoint(body.left + body.width / 2, y)?.closest("[role=row][data-index]")) return false;
  }
  return to > from;
}

test("a search among them is answered", async () => {
  await visit(site, {}, async (page) => {
    for (const [term, times] of Object.entries(await searchTimes(page, 5))) console.log(`search for ${term}: answers ${times.answered.map((n) => n.toFixed(0)).join(", ")} ms; from the key to the rows ${times.shown.map((n) => n.toFixed(0)).join(", ")} ms`);
  });
});
