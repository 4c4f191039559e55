import { randomBytes } from "node:crypto";
import type { Appliance } from "./appliance";
import { image, layer, push, pushTags } from "./oci";

// fillTags gives a site so many tags, in repositories of 10,000. The site lets
// everybody push.
export async function fillTags(site: Appliance, count: number): Promise<void> {
  const perRepository = 10_000;
  const one = image("amd64", [layer("data", randomBytes(1000))]);
  const fill = async (n: number) => {
    const repository = `registry.example/team${String(n).padStart(3, "0")}/app`;
    await push(site.url, repository, one);
    await pushTags(site.url, repository, one, Array.from({ length: perRepository }, (_, t) => `v1.${t}-build${String(n * perRepository + t).padStart(6, "0")}`));
  };
  await Promise.all(Array.from({ length: count / perRepository }, (_, n) => fill(n)));
}
