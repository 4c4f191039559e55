import * as en from "../src/text/en";
import { like } from "./kit/words";

const { account, common, content, home, hosts, settings, setup } = en;

// What changes nothing at the site: ways to look, to copy, to read and to choose.
const names = [common.retry, common.refresh, common.search, common.clear, common.more, common.close, common.details, common.download, common.copy, common.copied];
const looks = [home.verdict.lookAgain, home.storage.preview, hosts.downloadScript, content.space.preview, settings.diagnostics.again, setup.look];

// begins are beginnings of such names.
const begins = [common.copy + ":", common.download + ":", content.pull.exact];

// own are what everybody may change, on the page of one's account.
const own = [common.save, account.password.change, account.tokens.personal.make];

// harmless says whether what is called so on a page changes nothing at the site but
// what is one's own.
export function harmless(name: string, path: string): boolean {
  return [...names, ...looks].includes(name) || begins.some((b) => name.startsWith(b)) || like(common.showAll).test(name) || (path === "/account" && own.includes(name));
}
