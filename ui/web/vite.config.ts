import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The binary embeds what is built; README keeps the folder there.
export default defineConfig({ plugins: [react()], publicDir: "public", build: { outDir: "dist", emptyOutDir: true, assetsInlineLimit: 0 } });
