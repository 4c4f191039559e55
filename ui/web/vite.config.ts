import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// What is built goes to where the binary embeds it from.
export default defineConfig({ plugins: [react()], build: { outDir: "embedded/dist", assetsInlineLimit: 0 } });
