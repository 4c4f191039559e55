import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

// compressed leaves what can be compressed as .gz only: the appliance sends it as it
// is, and the binary has it once.
const compressed: Plugin = {
  name: "compressed",
  apply: "build",
  writeBundle({ dir = "." }, bundle) {
    for (const name of Object.keys(bundle).filter((n) => /\.(js|css|svg|json)$/.test(n))) {
      const file = join(dir, name);
      writeFileSync(file + ".gz", gzipSync(readFileSync(file), { level: 9 }));
      rmSync(file);
    }
  },
};

// What is built goes to where the binary embeds it from. LANDFALL is an appliance for
// the development server to ask.
const appliance = process.env.LANDFALL ?? "http://127.0.0.1:5080";
export default defineConfig({
  plugins: [react(), compressed],
  build: { outDir: "embedded/dist", emptyOutDir: true, assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: { proxy: { "/api": appliance, "/auth": appliance, "/v2": appliance } },
});
