// The size that the package adds to the page of an app that uses all of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

const MOST_BYTES = 12 * 1024;

test("the package is under 12 KB, minified and gzipped", async () => {
  const entry = fileURLToPath(new URL("../src/index.js", import.meta.url));
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, minify: true, format: "esm", write: false });
  const { length } = gzipSync(outputFiles[0].contents, { level: 9 });
  assert.ok(length < MOST_BYTES, `${length} bytes`);
});
