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

// homeAtOnce has the browser fetch Home beside the program's own files: most visits
// begin there, and on a slow processor it would wait for these to have run.
const homeAtOnce: Plugin = {
  name: "home-at-once",
  apply: "build",
  transformIndexHtml: {
    order: "post",
    handler(html, { bundle = {} }) {
      const files = new Set<string>();
      const add = (name: string) => {
        const chunk = bundle[name];
        if (chunk?.type !== "chunk" || files.has(name) || html.includes(name)) return;
        files.add(name);
        chunk.viteMetadata?.importedCss.forEach((css) => files.add(css));
        chunk.imports.forEach(add);
      };
      const home = Object.values(bundle).find((c) => c.type === "chunk" && c.facadeModuleId?.endsWith("/pages/home/index.tsx"));
      if (!home) throw new Error("there is no chunk of Home");
      add(home.fileName);
      return [...files].map((name) => ({
        tag: "link",
        injectTo: "head" as const,
        attrs: name.endsWith(".css") ? { rel: "preload", as: "style", crossorigin: "", href: `/${name}` } : { rel: "modulepreload", crossorigin: "", href: `/${name}` },
      }));
    },
  },
};

// What is built goes to where the binary embeds it from. LANDFALL is an appliance for
// the development server to ask.
const appliance = process.env.LANDFALL ?? "http://127.0.0.1:5080";
export default defineConfig({
  plugins: [react(), homeAtOnce, compressed],
  build: { outDir: "embedded/dist", emptyOutDir: true, assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: { proxy: { "/api": appliance, "/auth": appliance, "/v2": appliance } },
});
