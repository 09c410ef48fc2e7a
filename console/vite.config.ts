import { defineConfig } from "vite";

// Names have a hash, so that browsers may keep the files for a year. Nothing is inlined: the policy of the page
// allows neither inline scripts and styles nor data in addresses.
export default defineConfig({
  base: "/console/",
  build: {
    outDir: "dist",
    assetsDir: "files",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
});
