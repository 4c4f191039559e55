import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { installScript } from "./commands";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "hosts-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const file = (path: string, content: string) => ({ path: join(root, path), mode: "0640", content });
const install = (...files: ReturnType<typeof file>[]) => execFileSync("sh", { input: installScript("docker", "https://site.example", files), stdio: ["pipe", "pipe", "pipe"] });

test("the script puts every file in place, byte by byte, and can run again", () => {
  const content = "# $HOME `id` 'quoted' \\n\nlast\n";
  install(file("etc/a/one", content), file("etc/b/ca.crt", "pem\n"));
  install(file("etc/a/one", content), file("etc/b/ca.crt", "other\n"));
  expect(readFileSync(join(root, "etc/a/one"), "utf8")).toBe(content);
  expect(statSync(join(root, "etc/a/one")).mode & 0o777).toBe(0o640);
  expect(readFileSync(join(root, "etc/b/ca.crt"), "utf8")).toBe("other\n");
});

test("the script replaces what Landfall wrote, and nothing where somebody else did", () => {
  install(file("one", "# Written by landfall node-config\n1\n"));
  install(file("one", "# Written by landfall node-config\n2\n"));
  expect(readFileSync(join(root, "one"), "utf8")).toContain("2");
  writeFileSync(join(root, "two"), "mine\n");
  expect(() => install(file("one", "# Written by landfall node-config\n3\n"), file("two", "theirs\n"))).toThrow(/merge it by hand/);
  expect(readFileSync(join(root, "one"), "utf8")).toContain("2");
  expect(readFileSync(join(root, "two"), "utf8")).toBe("mine\n");
});
