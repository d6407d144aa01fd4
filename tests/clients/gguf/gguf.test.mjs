// Readers we did not write open what `onebit synth` and `onebit quantize` make: @huggingface/gguf reads
// keys and tensor tables, llama.cpp (node-llama-cpp's prebuilt binary) loads and evaluates the models.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gguf, GGMLQuantizationType } from "@huggingface/gguf";
import { getLlama } from "node-llama-cpp";

const onebit = process.env.ONEBIT;
const scratch = process.env.ONEBIT_SCRATCH;
const TYPE_IDS = { F32: 0, F16: 1, BF16: 30, TQ1_0: 34, TQ2_0: 35, I2_S: 36 };
const FILE_TYPES = { F32: 0, F16: 1, BF16: 32, TQ1_0: 36, TQ2_0: 37, I2_S: 40 };
const LINEARS = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"];

const file = (name) => join(scratch, name);
const read = (path) => gguf(path, { allowLocalFile: true });

function synth(shape, name, ...flags) {
  execFileSync(onebit, ["synth", shape, file(name), ...flags]);
  return file(name);
}

function quantize(from, name, type, ...flags) {
  return spawnSync(onebit, ["quantize", from, file(name), type, ...flags], { encoding: "utf8" });
}

// Writes a copy of a model with a float of one tensor changed; `at` counts bytes into the tensor's data.
async function patched(from, name, tensor, at, value) {
  const { tensorInfos, tensorDataOffset } = await read(from);
  const info = tensorInfos.find((t) => t.name === tensor);
  const bytes = readFileSync(from);
  bytes.writeFloatLE(value, Number(tensorDataOffset + info.offset) + at);
  writeFileSync(file(name), bytes);
  return file(name);
}

for (const type of Object.keys(TYPE_IDS))
  test(`@huggingface/gguf reads synth tiny ${type}`, async () => {
    const path = synth("tiny", `tiny-${type}.gguf`, "--type", type);
    const { metadata, tensorInfos } = await read(path);
    assert.equal(metadata.version, 3);
    assert.equal(metadata["general.architecture"], "bitnet-b1.58");
    assert.equal(metadata["general.file_type"], FILE_TYPES[type]);
    assert.equal(metadata["bitnet-b1.58.block_count"], 2);
    assert.equal(metadata["bitnet-b1.58.embedding_length"], 256);
    assert.equal(metadata["bitnet-b1.58.attention.head_count_kv"], 2);
    assert.equal(metadata["tokenizer.ggml.tokens"].length, 512);
    const byName = new Map(tensorInfos.map((t) => [t.name, t]));
    assert.equal(byName.size, 2 * (LINEARS.length + 4) + 2);
    const shape = (name) => byName.get(name).shape.map(Number);
    assert.deepEqual(shape("token_embd.weight"), [256, 512]);
    assert.equal(byName.get("token_embd.weight").dtype, GGMLQuantizationType.F16);
    for (const block of [0, 1]) {
      for (const linear of LINEARS) assert.equal(byName.get(`blk.${block}.${linear}.weight`).dtype, TYPE_IDS[type]);
      assert.deepEqual(shape(`blk.${block}.attn_k.weight`), [256, 128]);
      assert.deepEqual(shape(`blk.${block}.ffn_down.weight`), [768, 256]);
      assert.deepEqual(shape(`blk.${block}.ffn_sub_norm.weight`), [768]);
      assert.equal(byName.get(`blk.${block}.attn_sub_norm.weight`).dtype, GGMLQuantizationType.F32);
    }
    assert.ok(!byName.has("output.weight"));
  });

test("the shape of 2B-4T", async () => {
  const { metadata, tensorInfos } = await read(synth("bitnet-2b-4t", "2b.gguf", "--layers", "1"));
  const find = (name) => tensorInfos.find((t) => t.name === name).shape.map(Number);
  assert.equal(metadata["tokenizer.ggml.tokens"].length, 128256);
  assert.equal(metadata["tokenizer.ggml.bos_token_id"], 128000);
  assert.deepEqual(find("token_embd.weight"), [2560, 128256]);
  assert.deepEqual(find("blk.0.attn_v.weight"), [2560, 640]);
  assert.deepEqual(find("blk.0.ffn_gate.weight"), [2560, 6912]);
});

test("every type converts to every other without loss", () => {
  const types = Object.keys(TYPE_IDS);
  const whole = Object.fromEntries(types.map((t) => [t, readFileSync(synth("tiny", `all-${t}.gguf`, "--type", t, "--seed", "5"))]));
  for (const from of types)
    for (const to of types) {
      const run = quantize(file(`all-${from}.gguf`), "converted.gguf", to);
      assert.equal(run.status, 0, run.stderr);
      assert.ok(readFileSync(file("converted.gguf")).equals(whole[to]), `${from} to ${to}`);
    }
});

test("a scale that F16 cannot hold travels beside the weights, and comes back", async () => {
  const name = "blk.1.ffn_up.weight";
  const odd = await patched(synth("tiny", "i2s.gguf", "--arch", "bitnet"), "odd.gguf", name, (256 * 768) / 4, 0.1);
  for (const type of ["TQ1_0", "TQ2_0", "F16"]) {
    const run = quantize(odd, `odd-${type}.gguf`, type);
    assert.equal(run.status, 0, run.stderr);
    const { tensorInfos } = await read(file(`odd-${type}.gguf`));
    const scales = tensorInfos.filter((t) => t.name.endsWith(".scale"));
    assert.deepEqual(scales.map((t) => [t.name, t.dtype, t.shape.map(Number)]), [["blk.1.ffn_up.scale", 0, [1]]]);
    assert.equal(quantize(file(`odd-${type}.gguf`), "back.gguf", "I2_S").status, 0);
    assert.ok(readFileSync(file("back.gguf")).equals(readFileSync(odd)), type);
  }
});

test("a tensor that is not ternary is refused by name, or rounded on demand", async () => {
  const name = "blk.0.attn_output.weight";
  const odd = await patched(synth("tiny", "f32.gguf", "--type", "F32"), "not-ternary.gguf", name, 4 * 1000, 0.01);
  const refused = quantize(odd, "refused.gguf", "I2_S");
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /blk\.0\.attn_output\.weight.*not ternary.*0\.\d+/);
  assert.ok(!existsSync(file("refused.gguf")) && !existsSync(file("refused.gguf.partial")));
  for (const type of ["I2_S", "TQ1_0", "TQ2_0"]) {
    const run = quantize(odd, `rounded-${type}.gguf`, type, "--absmean");
    assert.equal(run.status, 0, run.stderr);
    assert.equal(quantize(file(`rounded-${type}.gguf`), `float-${type}.gguf`, "F32").status, 0);
  }
  const floats = readFileSync(file("float-I2_S.gguf"));
  assert.ok(floats.equals(readFileSync(file("float-TQ1_0.gguf"))) && floats.equals(readFileSync(file("float-TQ2_0.gguf"))));
  const nan = quantize(await patched(odd, "nan.gguf", name, 0, NaN), "refused.gguf", "I2_S", "--absmean");
  assert.equal(nan.status, 1);
  assert.match(nan.stderr, /attn_output.*not finite/);
});

test("row lengths that TQ blocks cannot hold are refused by name", () => {
  const run = quantize(synth("bitnet-3b", "3b.gguf", "--layers", "1", "--vocab", "512"), "refused.gguf", "TQ2_0");
  assert.equal(run.status, 1);
  assert.match(run.stderr, /blk\.0\.attn_q\.weight.*3200.*256/);
  assert.ok(!existsSync(file("refused.gguf")));
});

test("--token-embedding-type changes the embeddings only", async () => {
  const run = quantize(synth("tiny", "e.gguf"), "e-q8.gguf", "TQ2_0", "--token-embedding-type", "Q8_0");
  assert.equal(run.status, 0, run.stderr);
  const { tensorInfos } = await read(file("e-q8.gguf"));
  assert.equal(tensorInfos.find((t) => t.name === "token_embd.weight").dtype, GGMLQuantizationType.Q8_0);
  assert.equal(tensorInfos.find((t) => t.name === "output_norm.weight").dtype, GGMLQuantizationType.F32);
});

let llama;
before(async () => {
  llama = await getLlama({ build: "never", gpu: false, logLevel: "error", maxThreads: 2 });
});
after(() => llama.dispose());

// The ids of a text, and the greedy continuation.
async function evaluate(path, text, count) {
  const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 });
  const context = await model.createContext({ contextSize: 128, threads: 2 });
  const ids = model.tokenize(text);
  const out = [];
  for await (const id of context.getSequence().evaluate([model.tokens.bos, ...ids], { temperature: 0 })) {
    out.push(id);
    if (out.length === count) break;
  }
  assert.equal(model.detokenize(ids).trim(), text);
  await context.dispose();
  await model.dispose();
  return out;
}

test("llama.cpp evaluates synth tiny, the same weights in every type it knows", async () => {
  const greedy = {};
  for (const type of ["F32", "F16", "BF16", "TQ1_0", "TQ2_0"])
    greedy[type] = await evaluate(synth("tiny", `l-${type}.gguf`, "--arch", "bitnet", "--type", type), "Hello world", 5);
  // Without quantised activations the weights decide: F16 and BF16 hold those of F32 exactly.
  assert.deepEqual(greedy.F16.slice(0, 3), greedy.F32.slice(0, 3));
  assert.deepEqual(greedy.BF16.slice(0, 3), greedy.F32.slice(0, 3));
  assert.deepEqual(greedy.TQ1_0, greedy.TQ2_0);
});

test("llama.cpp reads scales that stand beside the weights", async () => {
  // I2_S with a scale that F16 cannot hold: as F16 with a companion, and as F32 without one.
  const odd = await patched(synth("tiny", "s.gguf", "--arch", "bitnet"), "s-odd.gguf", "blk.0.attn_v.weight", (256 * 128) / 4, 0.1);
  assert.equal(quantize(odd, "s-f16.gguf", "F16").status, 0);
  assert.equal(quantize(odd, "s-f32.gguf", "F32").status, 0);
  assert.deepEqual(await evaluate(file("s-f16.gguf"), "some words", 3), await evaluate(file("s-f32.gguf"), "some words", 3));
});

test("llama.cpp evaluates synth bitnet-0.7b and a llama model made by quantize", async () => {
  assert.equal((await evaluate(synth("bitnet-0.7b", "07.gguf", "--type", "TQ2_0"), "Hello world", 3)).length, 3);
  const source = synth("tiny", "llama.gguf", "--arch", "llama");
  assert.equal(quantize(source, "llama-tq1.gguf", "TQ1_0").status, 0);
  assert.equal((await evaluate(file("llama-tq1.gguf"), "Hello world", 3)).length, 3);
});
