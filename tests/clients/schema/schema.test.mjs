// Grammars made of JSON schemas, judged by other people's validators: instances that json-schema-faker makes are of the
// grammar, and what a model writes under the grammar is valid for ajv.
import { test } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import * as faker from "json-schema-faker";
import { schemas, edges } from "./corpus.mjs";

const onebit = process.env.ONEBIT;
const scratch = process.env.ONEBIT_SCRATCH;
const model = join(process.env.ONEBIT_SOURCE, "models/onebit-kjv-austen-6m.gguf");

const ajv = new Ajv2020({ strict: false });
addFormats(ajv);

function accepted(name, cases) {
  const file = join(scratch, `${name}.json`);
  writeFileSync(file, JSON.stringify(cases));
  return JSON.parse(execFileSync(onebit, ["grammar", "--cases", file], { encoding: "utf8", maxBuffer: 1 << 28 }));
}

// Properties in the schema's order, as the grammar wants them. References are followed one level at a time.
function ordered(value, schema, root = schema) {
  while (schema && schema.$ref) schema = schema.$ref.slice(2).split("/").reduce((at, key) => at[key], schema.$ref === "#" ? { "": root } : root);
  if (!schema || typeof schema !== "object" || value === null || typeof value !== "object") return value;
  for (const part of schema.anyOf ?? schema.oneOf ?? []) {
    if (ajv.compile({ ...root, ...part, $defs: root.$defs })(value)) return ordered(value, part, root);
  }
  if (Array.isArray(value)) return value.map((item, i) => ordered(item, schema.prefixItems?.[i] ?? schema.items, root));
  const known = Object.keys(schema.properties ?? {}).filter((key) => key in value);
  const more = Object.keys(value).filter((key) => !known.includes(key));
  return Object.fromEntries([...known, ...more].map((key) => [key, ordered(value[key], schema.properties?.[key] ?? schema.additionalProperties, root)]));
}

async function instances(schema, count) {
  const out = [];
  for (let seed = 1; seed <= count; ++seed) {
    const options = { alwaysFakeOptionals: seed % 3 === 0, optionalsProbability: seed % 3 === 1 ? 0.5 : undefined, seed, minItems: 0, maxDepth: 4 };
    const made = faker.generate ? await faker.generate(structuredClone(schema), options) : await faker.default.resolve(structuredClone(schema));
    out.push(made);
  }
  return out;
}

for (const [name, schema] of Object.entries(schemas)) {
  test(`instances of ${name} are of its grammar`, async (t) => {
    const validate = ajv.compile(schema);
    const values = (await instances(schema, 24)).filter((v) => validate(v)).map((v) => ordered(v, schema));
    assert.ok(values.length > 0, "json-schema-faker made no valid instance");
    const texts = values.flatMap((v) => [JSON.stringify(v), JSON.stringify(v, null, 2)]);
    const [result] = accepted(name.replaceAll(" ", "-"), [{ schema, texts }]);
    assert.equal(result.error, undefined);
    texts.forEach((text, i) => assert.ok(result.accepted[i], `not of the grammar: ${text}`));
    t.diagnostic(`${texts.length} texts`);
  });
}

test("texts that are not valid are not of the grammar", () => {
  const results = accepted("edges", edges.map(({ schema, no }) => ({ schema, texts: no.map((v) => JSON.stringify(v)) })));
  edges.forEach(({ schema, no }, i) => {
    const validate = ajv.compile(schema);
    no.forEach((v, k) => {
      assert.ok(!validate(v), `ajv takes ${JSON.stringify(v)} under ${JSON.stringify(schema)}`);
      assert.equal(results[i].accepted[k], false, `${JSON.stringify(v)} under ${JSON.stringify(schema)}`);
    });
  });
});

const bounded = Object.entries(schemas).filter(([name]) => !name.endsWith("unbounded"));
for (const [name, schema] of bounded) {
  test(`what the model writes under ${name} is valid`, (t) => {
    const validate = ajv.compile(schema);
    let whole = 0;
    for (const [seed, temp] of [[1, 0], [2, 1], [3, 1.5]]) {
      const run = () => JSON.parse(execFileSync(onebit, ["run", "-m", model, "-p", "In the beginning", "-n", "400", "--temp", String(temp), "--top-k", "0", "--top-p", "1",
        "--min-p", "0", "-s", String(seed), "-c", "512", "--json", "--quiet", "-t", "1", "--device", "cpu", "-j", JSON.stringify(schema)], { encoding: "utf8", maxBuffer: 1 << 24 }));
      const result = run();
      if (seed === 2) assert.equal(run().text, result.text, "the same seed, another text");
      if (result.finish_reason !== "stop") continue;
      ++whole;
      const value = JSON.parse(result.text);
      assert.ok(validate(value), `${result.text}: ${ajv.errorsText(validate.errors)}`);
    }
    t.diagnostic(`${whole} of 3 texts came to their end`);
  });
}
