// Writes the types that docs/openapi.yaml and docs/asyncapi.yaml describe, for agree.ts to compare.

import { readFileSync, writeFileSync } from "node:fs";

import { load } from "js-yaml";
import openapiTS, { astToString } from "openapi-typescript";

const read = (/** @type {string} */ name) => readFileSync(new URL(`../../../docs/${name}`, import.meta.url), "utf8");
const openapi = /** @type {any} */ (load(read("openapi.yaml")));
const { messages, schemas } = /** @type {any} */ (load(read("asyncapi.yaml").replaceAll("./openapi.yaml#/", "#/"))).components;

// A frame is one more schema, `client.offer` for example.
for (const [name, { payload }] of Object.entries(messages)) schemas[name] = closed(payload);
Object.assign(openapi.components.schemas, schemas);
const types = astToString(await openapiTS(openapi, { defaultNonNullable: false }));
writeFileSync(new URL("documents.d.ts", import.meta.url), types);

/** A frame without the fields that its sender may have added. @param {any} payload */
function closed(payload) {
  if (payload.properties) delete payload.additionalProperties;
  return payload;
}
