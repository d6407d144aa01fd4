// Load on `onebit serve`: tokens per second of one user and of eight, and the time to the first token of a short prompt
// alone and while a long one is being read, and how long a slot stays busy after its client is gone.
// usage: node bench/server/load.mjs ONEBIT MODEL [TOKENS] [LONG_PROMPT_TOKENS]
import { spawn } from 'node:child_process';

const [onebit, model, tokens = '64', long = '2000'] = process.argv.slice(2);
if (!model) {
  console.error('usage: node bench/server/load.mjs ONEBIT MODEL [TOKENS] [LONG_PROMPT_TOKENS]');
  process.exit(2);
}
const child = spawn(onebit, ['serve', '-m', model, '--port', '0', '--parallel', '8', '--no-cache-prompt'], { stdio: ['ignore', 'ignore', 'pipe'] });
const url = await new Promise((resolve, reject) => {
  let log = '';
  child.stderr.on('data', (d) => {
    log += d;
    const line = log.match(/ on (http:\S+)/);
    if (line) resolve(line[1]);
  });
  child.on('exit', (code) => reject(new Error(`onebit serve ended with ${code}: ${log}`)));
});

const ids = (n, salt) => Array.from({ length: n }, (_, i) => 10 + (i * 31 + salt * 17) % 2000);
const complete = async (prompt, max_tokens) => {
  const r = await fetch(url + '/v1/completions', { method: 'POST', body: JSON.stringify({ prompt, max_tokens, temperature: 0, ignore_eos: true }) });
  if (!r.ok) throw new Error(await r.text());
  return (await r.json()).usage.completion_tokens;
};

const rate = async (users) => {
  const start = performance.now();
  const counts = await Promise.all(Array.from({ length: users }, (_, i) => complete(ids(16, i), Number(tokens))));
  return counts.reduce((a, b) => a + b) / ((performance.now() - start) / 1000);
};

const firstToken = async (salt) => {
  const start = performance.now();
  await complete(ids(24, salt), 1);
  return performance.now() - start;
};
const median = (v) => v.toSorted((a, b) => a - b)[v.length >> 1];

await complete(ids(16, 99), 4);
const one = await rate(1), eight = await rate(8);
console.log(`1 user ${one.toFixed(1)} tok/s, 8 users ${eight.toFixed(1)} tok/s: ${(eight / one).toFixed(2)} times`);

const idle = [];
for (let i = 0; i < 7; ++i) idle.push(await firstToken(i));
let reading = true;
const beside = [];
const reader = complete(ids(Number(long), 7), 1).finally(() => { reading = false; });
for (let i = 0; i < 15; ++i) {
  await new Promise((r) => setTimeout(r, 50 + 37 * (i % 5)));
  if (!reading) break;
  const t = await firstToken(100 + i);
  if (reading) beside.push(t);
}
await reader;
if (beside.length) console.log(`first token of 24: idle ${median(idle).toFixed(0)} ms, beside a prompt of ${long} ${median(beside).toFixed(0)} ms (${beside.length} samples): ${(median(beside) / median(idle)).toFixed(2)} times`);
else console.log('the long prompt was read before a short one could be measured beside it');
// How long a slot stays busy after its client is gone, while seven other texts are written.
const busy = async () => (await (await fetch(url + '/slots')).json()).filter((s) => s.is_processing).length;
const others = Promise.all(Array.from({ length: 7 }, (_, i) => complete(ids(16, i), 100)));
while (await busy() < 7) await new Promise((r) => setTimeout(r, 5));
const freed = [];
for (let i = 0; i < 9; ++i) {
  const abort = new AbortController();
  const gone = fetch(url + '/v1/completions', { method: 'POST', signal: abort.signal, body: JSON.stringify({ prompt: ids(8, 50 + i), max_tokens: 1000, temperature: 0, ignore_eos: true }) }).catch(() => {});
  while (await busy() < 8) await new Promise((r) => setTimeout(r, 5));
  await new Promise((r) => setTimeout(r, 13 * i));
  const start = performance.now();
  abort.abort();
  while (await busy() > 7) await new Promise((r) => setTimeout(r, 2));
  freed.push(performance.now() - start);
  await gone;
}
console.log(`a cancelled text frees its slot beside seven others: median ${median(freed).toFixed(0)} ms, longest ${Math.max(...freed).toFixed(0)} ms`);
await others;
child.removeAllListeners('exit');
child.kill('SIGTERM');
