import { existsSync } from "node:fs";
import { defineConfig } from "vitest/config";

const figures = process.env.LANDFALL_FIGURES === "1";
const chromium = (process.env.CHROMIUM ??= "/usr/bin/chromium");
const able = existsSync(chromium);

// The browser tests: the real binary, a real browser. Files run one after the other,
// because they share the machine's two cores, and what they wait for needs those. The
// time limits are for what hangs; no test waits for a time to pass.
export default defineConfig({
  test: {
    include: able ? [figures ? "test/*.figures.ts" : "test/*.test.ts"] : [],
    passWithNoTests: !able,
    globalSetup: "test/kit/setup.ts",
    pool: "forks",
    fileParallelism: false,
    testTimeout: figures ? 1_800_000 : 180_000,
    hookTimeout: 180_000,
    reporters: ["verbose"],
  },
});
