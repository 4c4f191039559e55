import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { chromium as browsers, type Browser, type BrowserContext, type BrowserContextOptions, type Page, type Request } from "playwright-core";
import { afterAll, expect } from "vitest";
import { password, type Appliance, type User } from "./appliance";
import * as en from "../../src/text/en";
import { chromium, until } from "./programs";

// output is where screenshots go.
export const output = resolve(process.env.CI_OUTPUT ?? "test/out");

let browser: Promise<Browser> | undefined;
afterAll(async () => (await browser)?.close());

// launch starts the one browser of a test file. It reaches loopback, and nothing else.
export function launch(): Promise<Browser> {
  const args = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--disable-background-networking", "--force-color-profile=srgb"];
  browser ??= browsers.launch({ executablePath: chromium, args, chromiumSandbox: process.getuid?.() !== 0 });
  return browser;
}

export type Visit = BrowserContextOptions & {
  as?: User;
  // expected are texts in the browser's console that belong to what the test does.
  expected?: RegExp[];
};

// visit lets somebody have a page of an appliance, and expects of it what is expected
// of every page: nothing is asked of another origin, nothing breaks the policy, no
// error is in the console.
export async function visit(site: Appliance, { as, expected = [], ...options }: Visit, act: (page: Page) => Promise<void>): Promise<void> {
  const context = await (await launch()).newContext({ baseURL: site.url, locale: "en-GB", viewport: { width: 1280, height: 900 }, ...options });
  try {
    if (as) await signIn(context, site, as);
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    const wrong = watch(page, site, expected);
    countRequests(page);
    try {
      await act(page);
    } catch (error) {
      await keepSight(page);
      throw wrong.length > 0 ? new Error(`in the browser: ${wrong.join("\n")}`, { cause: error }) : error;
    }
    expect(wrong, "what went wrong in the browser").toEqual([]);
  } finally {
    await context.close();
  }
}

const cookies = new Map<string, Parameters<BrowserContext["addCookies"]>[0]>();

// signIn signs somebody in, once in each test file.
async function signIn(context: BrowserContext, site: Appliance, user: User) {
  const key = `${user.name} ${site.url}`;
  const known = cookies.get(key);
  if (known) return context.addCookies(known);
  const answer = await context.request.post("/api/v1/session", { data: { name: user.name, password } });
  expect(answer.status(), await answer.text()).toBe(200);
  cookies.set(key, await context.cookies());
}

// absent is what the browser's console says where an appliance speaks no HTTPS or has
// no mirrors.
const absent = /status of 404 .*\/api\/v1\/(tls|mirrors)\b/;

// watch notes what must not be.
function watch(page: Page, site: Appliance, expected: RegExp[]): string[] {
  const wrong: string[] = [];
  const note = (text: string) => ![absent, ...expected].some((e) => e.test(text)) && wrong.push(text);
  page.on("console", (m) => (m.type() === "error" || /Content Security Policy/.test(m.text())) && note(`console: ${m.text()} (${m.location().url})`));
  page.on("pageerror", (e) => note(`error: ${e.message}`));
  page.on("request", (r) => /^(https?|wss?):/.test(r.url()) && new URL(r.url()).host !== site.host && note(`asked of another origin: ${r.url()}`));
  page.on("response", (r) => {
    if (r.request().resourceType() !== "document" || !r.ok()) return;
    const policy = r.headers()["content-security-policy"] ?? "";
    if (!/default-src 'none'.*script-src 'self';/.test(policy) || policy.includes("unsafe-eval")) note(`policy of ${r.url()}: ${policy}`);
  });
  return wrong;
}

const underWay = new WeakMap<Page, Set<Request>>();

// countRequests knows what a page waits for, but for what waits for news.
function countRequests(page: Page) {
  const open = new Set<Request>();
  underWay.set(page, open);
  page.on("request", (r) => !/\/events|[?&]wait=[1-9]/.test(r.url()) && open.add(r));
  page.on("requestfinished", (r) => open.delete(r));
  page.on("requestfailed", (r) => open.delete(r));
}

// settled waits until a page shows what it has to show.
export async function settled(page: Page): Promise<void> {
  await page.getByRole("heading", { level: 1 }).first().waitFor();
  await until(async () => {
    const loading = await page.getByRole("status", { name: en.common.loading }).count();
    return underWay.get(page)?.size === 0 && loading === 0;
  });
  await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
}

// keepSight keeps what could be seen when a test failed.
async function keepSight(page: Page) {
  mkdirSync(output, { recursive: true });
  const name = (expect.getState().currentTestName ?? "test").replace(/\W+/g, "-").slice(0, 80);
  await page.screenshot({ path: join(output, `failed-${name}.png`) }).catch(() => undefined);
}
