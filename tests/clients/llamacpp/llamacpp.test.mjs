// An engine we did not write evaluates the same files: llama.cpp through node-llama-cpp's prebuilt binary.
// F32 weights are the same graph in both, no activation is quantised. With TQ2_0 llama.cpp scales
// activations per 256 elements and we per token, so the distributions are near, not equal.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { getLlama } from "node-llama-cpp";

const onebit = process.env.ONEBIT;
const scratch = process.env.ONEBIT_SCRATCH;
const positions = { f32: 64, tq2: 192 };

let llama;
before(async () => {
  llama = await getLlama({ build: "never", gpu: false, logLevel: "error", maxThreads: 2 });
});
after(() => llama.dispose());

function synth(shape, type, seed, vocab, extra = []) {
  const file = join(scratch, `${shape}-${type}-${seed}.gguf`);
  execFileSync(onebit, ["synth", shape, file, "--arch", "bitnet", "--type", type, "--embd-type", "F32",
                        "--seed", String(seed), "--vocab", String(vocab), ...extra]);
  return file;
}

// Ids of ordinary pieces, the same on every run; the ends of a vocabulary hold special tokens.
function someIds(vocab, seed, count) {
  const ids = [];
  for (let x = seed; ids.length < count;) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    ids.push(300 + (x >>> 8) % (vocab - 400));
  }
  return ids;
}

// Log-probabilities by position: Float64Array(vocab) each.
async function fromLlamaCpp(file, ids, vocab) {
  const model = await llama.loadModel({ modelPath: file, gpuLayers: 0 });
  const context = await model.createContext({
    contextSize: 256, batchSize: 256, flashAttention: false, threads: 2,
    experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32",
  });
  const output = await context.getSequence().controlledEvaluate(ids.map((id) => [id, { generateNext: { logits: true } }]));
  const rows = output.map(({ next }) => {
    assert.equal(next.logits.size, vocab);
    const row = new Float64Array(vocab).fill(NaN);
    for (const [id, logit] of next.logits) row[id] = logit;
    const max = row.reduce((a, b) => Math.max(a, b));
    const logSum = max + Math.log(row.reduce((sum, x) => sum + Math.exp(x - max), 0));
    return row.map((x) => x - logSum);
  });
  await context.dispose();
  await model.dispose();
  return rows;
}

function fromOnebit(file, ids, vocab) {
  const text = execFileSync(onebit, ["logits", "-m", file, "--ids", ids.join(" "), "--top", String(vocab),
                                     "--kv", "f32", "--json", "--quiet"], { maxBuffer: 1 << 28, encoding: "utf8" });
  const rows = JSON.parse(text).map(({ top }) => {
    assert.equal(top.length, vocab);
    const row = new Float64Array(vocab).fill(NaN);
    for (const { id, logprob } of top) row[id] = logprob;
    return row;
  });
  assert.equal(rows.length, ids.length);
  return rows;
}

// KL(p || q) in nats; NaN when either row has a hole.
const kl = (p, q) => p.reduce((sum, logp, i) => sum + Math.exp(logp) * (logp - q[i]), 0);
const best = (row) => row.indexOf(row.reduce((a, b) => Math.max(a, b)));
function margin(row) {
  const [first, second] = Array.from(row).sort((a, b) => b - a);
  return first - second;
}

async function compare(file, vocab, count) {
  const ids = someIds(vocab, 7, count);
  const theirs = await fromLlamaCpp(file, ids, vocab);
  const ours = fromOnebit(file, ids, vocab);
  const kls = ours.map((row, i) => kl(theirs[i], row));
  const sure = ours.map((row, i) => i).filter((i) => margin(ours[i]) > 0.1);
  const agreed = sure.filter((i) => best(ours[i]) === best(theirs[i])).length;
  const mean = kls.reduce((a, b) => a + b) / kls.length;
  return { kls, mean, worst: Math.max(...kls), sure: sure.length, agreed };
}

const shapes = [
  { shape: "tiny", vocab: 1024, f32: [] },
  { shape: "bitnet-0.7b", vocab: 2048, f32: ["--layers", "3"] },  // all 24 in F32 are 2.9 GB
];

for (const { shape, vocab, f32 } of shapes) {
  test(`${shape}: F32 weights, KL < 1e-5 at every position`, async (t) => {
    const r = await compare(synth(shape, "F32", 1, vocab, f32), vocab, positions.f32);
    t.diagnostic(`KL mean ${r.mean.toExponential(2)} worst ${r.worst.toExponential(2)}, top-1 equal on ${r.agreed} of ${r.sure}`);
    assert.equal(r.kls.length, positions.f32);
    assert.ok(r.worst < 1e-5, `worst KL ${r.worst}`);
    assert.ok(r.sure > r.kls.length / 4, `margins above 0.1 on ${r.sure} positions only`);
    assert.equal(r.agreed, r.sure);
  });

  test(`${shape}: TQ2_0 weights, KL < 1e-2 at every position and the same best token`, async (t) => {
    const r = await compare(synth(shape, "TQ2_0", 1, vocab), vocab, positions.tq2);
    t.diagnostic(`KL mean ${r.mean.toExponential(2)} worst ${r.worst.toExponential(2)}, top-1 equal on ${r.agreed} of ${r.sure}`);
    assert.ok(r.worst < 1e-2, `worst KL ${r.worst}`);
    assert.ok(r.sure > r.kls.length / 4, `margins above 0.1 on ${r.sure} positions only`);
    assert.ok(r.agreed >= 0.97 * r.sure, `top-1 equal on ${r.agreed} of ${r.sure}`);
  });
}

test("control: other weights are told apart", async () => {
  const { shape, vocab, f32 } = shapes[0];
  const ids = someIds(vocab, 7, positions.f32);
  const theirs = await fromLlamaCpp(synth(shape, "F32", 2, vocab, f32), ids, vocab);
  const ours = fromOnebit(synth(shape, "F32", 1, vocab, f32), ids, vocab);
  const kls = ours.map((row, i) => kl(theirs[i], row));
  assert.ok(Math.min(...kls) > 0.1, `smallest KL ${Math.min(...kls)}`);
});
