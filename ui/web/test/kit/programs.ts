import { execFile, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";

// chromium is the browser's program; vitest.config.ts says which one without CHROMIUM.
export const chromium = process.env.CHROMIUM ?? "";

// strict says that what a test needs has to be there; else it is skipped.
export const strict = process.env.CI === "true" || process.env.LANDFALL_E2E === "1";

const start = promisify(execFile);

// run runs a program and returns what it prints; what it says when it fails is in
// the error.
export async function run(program: string, ...args: string[]): Promise<string> {
  const { stdout } = await start(program, args, { maxBuffer: 1 << 26 });
  return stdout;
}

// landfall runs the binary under test.
export const landfall = (...args: string[]) => run(process.env.LANDFALL_BIN ?? "", ...args);

// debianPackage says what to install for a program.
const debianPackage: Record<string, string> = { losetup: "mount", "mkfs.vfat": "dosfstools", mcopy: "mtools" };

// unable says that a test cannot run for what is not here: as an error where it has
// to be possible, else loudly, for the test to be skipped. What begins with a slash is
// a file, all else a program.
export function unable(...needs: string[]): boolean {
  const there = (what: string) => (what.startsWith("/") ? existsSync(what) : spawnSync("sh", ["-c", `command -v ${what}`], { stdio: "ignore" }).status === 0);
  const absent = needs.filter((n) => !there(n)).map((n) => (n.startsWith("/") ? n : `${n} (apt-get install ${debianPackage[n] ?? n})`));
  if (absent.length === 0) return false;
  const message = `this test needs ${absent.join(", ")}`;
  if (strict) throw new Error(message);
  console.warn(`SKIPPED: ${message}`);
  return true;
}

// until waits for a condition, and gives back what it saw. A test's time limit ends it.
export async function until<T>(see: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  for (;;) {
    const seen = await see();
    if (seen !== undefined && seen !== false) return seen;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
