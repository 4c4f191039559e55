import { ada, Appliance } from "./appliance";
import { livedIn } from "./site";

// Sites are those that pages are looked at on: one where nobody has ever been, one
// with an administrator and nothing else, and one at which things have happened.
export type Sites = { first: Appliance; empty: Appliance; lived: Appliance };

export async function startSites(): Promise<Sites> {
  const lived = (await livedIn()).site;
  const first = await Appliance.start();
  const empty = await Appliance.start();
  await empty.add(ada);
  return { first, empty, lived };
}

export const stopSites = async (sites?: Sites) => {
  for (const site of sites ? [sites.first, sites.empty, sites.lived] : []) await site.stop();
};
