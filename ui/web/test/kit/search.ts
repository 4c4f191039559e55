import type { Page } from "playwright-core";
import * as en from "../../src/text/en";
import { settled } from "./browser";

export type Times = { answered: number[]; shown: number[] };

// A term that few names have, one that many have, and one that none has.
const terms = { rare: "build077777", common: "team v1", absent: "nosuchthing" };

// searchTimes searches so many times for each kind of term, on the page of names, and
// says how long the appliance took to answer and how long it took until the page
// showed it, both in milliseconds.
export async function searchTimes(page: Page, rounds: number): Promise<Record<string, Times>> {
  const box = page.getByRole("searchbox", { name: en.content.searchNames });
  const all: Record<string, Times> = {};
  for (const [kind, term] of Object.entries(terms)) {
    const times: Times = { answered: [], shown: [] };
    for (let n = 0; n < rounds; n++) {
      await page.goto("/content"); // nothing is remembered
      await settled(page);
      const answer = page.waitForResponse((r) => new URL(r.url()).searchParams.get("q") === term);
      const from = Date.now();
      await box.fill(term);
      const response = await answer;
      await response.finished();
      await settled(page);
      times.shown.push(Date.now() - from);
      times.answered.push(response.request().timing().responseEnd);
    }
    all[kind] = times;
  }
  return all;
}
