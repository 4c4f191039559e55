import { afterAll, beforeAll, expect, test } from "vitest";
import * as en from "../src/text/en";
import { Appliance, otto } from "./kit/appliance";
import { settled, visit } from "./kit/browser";
import { fatImage, makeBundle, noise, type Content } from "./kit/images";
import { got } from "./kit/local";
import { noSlots, Slot } from "./kit/slot";

const skip = noSlots();
const file = "week 12.bundle";

let slot: Slot;
let site: Appliance;
let content: Content;
beforeAll(async () => {
  if (skip) return;
  content = await makeBundle({ "docker.io/library/redis:7.4": noise(3, 1 << 20) });
  slot = await Slot.find();
  site = await Appliance.start({ config: `media: {mount: never, devices: [${slot.name}]}\n` });
  await site.add(otto);
});
afterAll(async () => {
  await slot?.pull();
  await site?.stop();
});

// Whoever has the page open sees a drive that is plugged in, and lands from it.
test.skipIf(skip)("a drive arrives, is looked at and landed from, and can be pulled out", async () => {
  await visit(site, { as: otto }, async (page) => {
    await page.goto("/land");
    await settled(page);
    await page.getByText(en.land.drives.empty).waitFor();
    await slot.plug(await fatImage(content.bundle, file, 40));
    await page.getByRole("link", { name: en.land.drives.lookAt(file) }).click();
    await page.getByRole("cell", { name: content.names[0] }).waitFor();
    await page.getByRole("button", { name: en.land.form.land, exact: true }).click();
    await page.getByText(en.land.landing.done).waitFor();
    await page.goto("/land");
    await page.getByRole("button", { name: en.land.drives.ejectOf("CARRY") }).click();
    await page.getByRole("alert").or(page.getByRole("listitem")).getByText(en.land.drives.ejected("CARRY")).first().waitFor();
    await slot.pull();
    await page.getByText(en.land.drives.empty).waitFor();
  });
  const names = await got(site.api.GET("/api/v1/content/names"));
  expect(names.items?.map((n) => n.name)).toEqual(content.names);
});
