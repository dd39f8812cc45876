// What the package adds to the page of an app that uses all of it, and what `npm pack` makes of it.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

const MOST_BYTES = 12 * 1024;
// The sources as they are, with the comments that its types are in.
const MOST_BYTES_PACKED = 48 * 1024;

test("the package is under 12 KB, minified and gzipped", async () => {
  const entry = fileURLToPath(new URL("../src/index.js", import.meta.url));
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, minify: true, format: "esm", write: false });
  const { length } = gzipSync(outputFiles[0].contents, { level: 9 });
  assert.ok(length < MOST_BYTES, `${length} bytes`);
});

test("the packed file has the sources, their types and no more, in less than 48 KB", async () => {
  const options = { cwd: fileURLToPath(new URL("..", import.meta.url)) };
  const { stdout } = await promisify(execFile)("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], options);
  const [{ files, size }] = JSON.parse(stdout);
  const others = files.filter(({ path }) => !/^(src|types)\//.test(path)).map(({ path }) => path);
  assert.deepEqual(others.filter((path) => path !== "LICENSE"), ["README.md", "package.json"]);
  assert.ok(files.some(({ path }) => path === "src/index.js"));
  assert.ok(size < MOST_BYTES_PACKED, `${size} bytes`);
});
