// Speed of llama.cpp (node-llama-cpp's prebuilt program) on a GGUF file: prompt of 128 and 512 tokens, then single tokens.
// usage: node llamacpp.mjs FILE THREADS REPETITIONS     prints one JSON object of medians in tokens per second
import { getLlama } from "node-llama-cpp";

const [file, threads, repetitions] = [process.argv[2], Number(process.argv[3] ?? 2), Number(process.argv[4] ?? 3)];
const llama = await getLlama({ build: "never", gpu: false, logLevel: "error", maxThreads: threads });
const model = await llama.loadModel({ modelPath: file, gpuLayers: 0 });
const context = await model.createContext({ contextSize: 1024, batchSize: 512, threads });
const sequence = context.getSequence();
const ids = (count, seed) => Array.from({ length: count }, (_, i) => 300 + ((i + seed) * 7919) % 30000);
const median = (list) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)];

async function prompt(tokens, seed) {
  await sequence.clearHistory();
  const start = performance.now();
  await sequence.evaluateWithoutGeneratingNewTokens(ids(tokens, seed));
  return tokens / (performance.now() - start) * 1000;
}
async function decode(tokens) {
  await sequence.clearHistory();
  const input = ids(tokens, 5);
  await sequence.evaluateWithoutGeneratingNewTokens([1]);
  const start = performance.now();
  for (const id of input) await sequence.controlledEvaluate([[id, { generateNext: { token: true, options: { temperature: 0 } } }]]);
  return tokens / (performance.now() - start) * 1000;
}

await prompt(128, 0);
const result = { pp128: [], pp512: [], tg32: [] };
for (let r = 0; r < repetitions; ++r) {
  result.pp128.push(await prompt(128, r));
  result.pp512.push(await prompt(512, r));
  result.tg32.push(await decode(32));
}
console.log(JSON.stringify(Object.fromEntries(Object.entries(result).map(([k, v]) => [k, Number(median(v).toFixed(1))]))));
process.exit(0);
