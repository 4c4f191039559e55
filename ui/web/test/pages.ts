import type { Page } from "playwright-core";
import * as en from "../src/text/en";
import type { Appliance } from "./kit/appliance";
import { edge } from "./kit/site";
import type { Sites } from "./kit/sites";

type Act = (page: Page) => Promise<void>;

// Sight is what can be looked at: at which site, where, and what is done there before.
// Without somebody, nobody is signed in.
export type Sight = { name: string; on: keyof Sites; path: string | ((site: Appliance) => string); nobody?: boolean; act?: Act };

const areas = ["/", "/land", "/content", "/mirrors", "/clusters", "/hosts", "/jobs", "/audit", "/settings", "/account"];
const steps = ["site", "tls", "trust", "done"];
const settings = ["users", "tokens", "trust", "tls", "retention", "storage", "network", "backup", "diagnostics", "configuration"];
const image = "docker.io/library/nginx:1.27.1";
const definition = `/clusters/d?name=${encodeURIComponent(edge)}`;
const pages = [
  ...["repositories", "exports", "space", "r/docker.io/library/nginx"].map((p) => `/content/${p}`),
  ...settings.map((p) => `/settings/${p}`),
];

// The name of a file for a path.
const title = (path: string) => path.replace(/^\/|\?.*$/g, "").replace(/\W+/g, "-") || "home";

const press = (name: string | RegExp): Act => (page) => page.getByRole("button", { name }).first().click();
const follow = (name: string | RegExp): Act => (page) => page.locator("main").getByRole("link", { name }).first().click();
const dialogOf = (act: Act): Act => async (page) => {
  await act(page);
  await page.getByRole("dialog").waitFor();
};

// What is behind a link or a button of a page.
const deeper: Sight[] = [
  { name: "content-image", on: "lived", path: `/content/a?name=${encodeURIComponent(image)}` },
  {
    name: "content-delete",
    on: "lived",
    path: `/content/a?name=${encodeURIComponent(image)}`,
    act: dialogOf(async (page) => {
      await press(en.common.actionsFor(image))(page);
      await page.getByRole("menuitem", { name: en.content.remove.manifest }).click();
    }),
  },
  { name: "content-pin", on: "lived", path: `/content/a?name=${encodeURIComponent(image)}`, act: dialogOf(press(en.content.pin.open)) },
  { name: "content-export", on: "lived", path: `/content/a?name=${encodeURIComponent(image)}`, act: dialogOf(press(en.content.export.open)) },
  { name: "content-not-found", on: "lived", path: "/content?q=nosuchthing" },
  { name: "content-space-collect", on: "lived", path: "/content/space", act: dialogOf(press(en.content.space.collectNow)) },
  { name: "land-review", on: "lived", path: "/land", act: follow(en.land.drives.lookAt("week 12.bundle")) },
  { name: "jobs-import", on: "lived", path: "/jobs?kind=import", act: follow(new RegExp(`^${en.jobs.kind.import}`)) },
  { name: "jobs-scrub", on: "lived", path: "/jobs?kind=scrub", act: follow(new RegExp(`^${en.jobs.kind.scrub}`)) },
  { name: "jobs-failed", on: "lived", path: "/jobs?state=failed", act: follow(new RegExp(`^${en.jobs.kind.sync}`)) },
  { name: "mirrors-run", on: "lived", path: "/mirrors", act: (page) => page.locator('main a[href*="/mirrors/runs/"]').first().click() },
  { name: "clusters-definition", on: "lived", path: definition },
  { name: "clusters-why", on: "lived", path: definition, act: dialogOf(follow(/team\/agent/)) },
  { name: "settings-users-add", on: "lived", path: "/settings/users", act: dialogOf(press(en.settings.users.add)) },
  { name: "settings-user", on: "lived", path: "/settings/users", act: follow("rita") },
  { name: "account-token", on: "lived", path: "/account", act: dialogOf(press(en.account.tokens.personal.make)) },
  { name: "user-menu", on: "lived", path: "/", act: press(en.shell.userMenu) },
];

export const sights: Sight[] = [
  { name: "first-no-link", on: "first", path: "/", nobody: true },
  { name: "first-link", on: "first", path: (site) => site.link.replace(site.url, ""), nobody: true },
  { name: "sign-in", on: "empty", path: "/", nobody: true },
  ...steps.map((step): Sight => ({ name: `setup-${step}`, on: "empty", path: `/setup/${step}` })),
  ...[...areas, ...pages].map((path): Sight => ({ name: title(path), on: "lived", path })),
  ...deeper,
  ...areas.map((path): Sight => ({ name: title(path) + "-empty", on: "empty", path })),
  { name: "not-found", on: "empty", path: "/nowhere" },
];
