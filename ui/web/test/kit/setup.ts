import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { chromium, unable } from "./programs";

// setup gives the tests a folder, which is removed at the end with all that they
// have left there, and the binary.
export default function setup() {
  if (unable(chromium)) return undefined;
  const work = mkdtempSync(join(tmpdir(), "landfall-ui-"));
  process.env.TMPDIR = work;
  process.env.LANDFALL_BIN = binary(work);
  return () => rmSync(work, { recursive: true, force: true });
}

// binary is the one that is tested: LANDFALL_BIN, else what the folder's sources make.
function binary(work: string): string {
  if (process.env.LANDFALL_BIN) return resolve(process.env.LANDFALL_BIN);
  if (!existsSync("embedded/dist/index.html")) throw new Error("the UI is not built: run 'make ui' first");
  const file = join(work, "landfall");
  execFileSync("go", ["build", "-trimpath", "-o", file, "./cmd/landfall"], { cwd: "../..", stdio: "inherit", env: { ...process.env, CGO_ENABLED: "0" } });
  return file;
}
