import { afterAll, beforeAll, expect, test } from "vitest";
import { ada, Appliance } from "./kit/appliance";
import { settled, visit } from "./kit/browser";

const budget = 300_000;

let site: Appliance;
beforeAll(async () => {
  site = await Appliance.start();
  await site.add(ada);
});
afterAll(() => site?.stop());

// What is sent for the first page, compressed as it is sent, with all that Home needs.
test("the first load is at most 300 kB", async () => {
  await visit(site, { as: ada }, async (page) => {
    const sizes = new Map<string, number>();
    page.on("response", (r) => {
      const { pathname } = new URL(r.url());
      if (!pathname.startsWith("/api/")) sizes.set(pathname, Number(r.headers()["content-length"]));
    });
    await page.goto("/");
    await settled(page);
    const total = [...sizes.values()].reduce((a, b) => a + b, 0);
    console.log([`first load: ${total} bytes`, ...[...sizes].map(([path, size]) => `  ${size} ${path}`)].join("\n"));
    expect(sizes.size).toBeGreaterThan(2);
    expect(total).toBeLessThanOrEqual(budget);
  });
});
