// Mixed load on `onebit serve` for some minutes: texts whole and streamed, aborts, bodies that are wrong, clients that
// send slowly. Fails when the server ends, when a slot stays busy, or when its memory grows by more than 2 %.
// usage: node bench/server/soak.mjs ONEBIT MODEL MINUTES
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';

const [onebit, model, minutes = '3'] = process.argv.slice(2);
const child = spawn(onebit, ['serve', '-m', model, '--port', '0', '--parallel', '4', '--queue', '8', '--connections', '64'], { stdio: ['ignore', 'ignore', 'pipe'] });
let ended = null;
child.on('exit', (code, signal) => { ended = `${code} ${signal}`; });
const url = await new Promise((resolve) => {
  let log = '';
  child.stderr.on('data', (d) => {
    log += d;
    const line = log.match(/ on (http:\S+)/);
    if (line) resolve(line[1]);
  });
});
const { hostname, port } = new URL(url);
const until = performance.now() + Number(minutes) * 60000;
const pause = (ms) => new Promise((r) => setTimeout(r, ms));
const counts = {};
const count = (what) => { counts[what] = (counts[what] ?? 0) + 1; };
const causes = {};
const broken = (e) => {
  count('broken');
  const why = e.cause?.code ?? e.message;
  causes[why] = (causes[why] ?? 0) + 1;
};
const resident = () => Number(readFileSync(`/proc/${child.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]);

let seed = 1;
const random = (n) => (seed = (seed * 48271) % 2147483647) % n;
const prompt = () => Array.from({ length: 1 + random(120) }, () => 10 + random(3000));
const body = () => JSON.stringify({ prompt: prompt(), max_tokens: 1 + random(60), temperature: 1, stream: random(2) === 0, n: 1 + random(2), logprobs: random(4) === 0 ? 2 : null,
  ...(random(5) === 0 ? { response_format: { type: 'json_object' } } : {}) });

async function texts() {
  while (performance.now() < until && !ended) {
    const abort = new AbortController();
    if (random(3) === 0) setTimeout(() => abort.abort(), random(150));
    try {
      const r = await fetch(url + '/v1/completions', { method: 'POST', body: body(), signal: abort.signal });
      await r.text();
      count(r.status);
      if (r.status === 429) await pause(50);
    } catch (e) {
      e.name === 'AbortError' ? count('aborted') : broken(e);
    }
  }
}

async function malformed() {
  const bodies = ['{', '['.repeat(5000), '{"prompt":7}', '{"prompt":"x","n":-1}', '\ufffd', '{"prompt":"x","grammar":"root ::= ("}', 'x'.repeat(300000)];
  while (performance.now() < until && !ended) {
    try {
      const r = await fetch(url + '/v1/completions', { method: 'POST', body: bodies[random(bodies.length)] });
      await r.text();
      count(r.status);
    } catch (e) { broken(e); }
    await pause(20);
  }
}

async function slow() {
  while (performance.now() < until && !ended) {
    const socket = connect(Number(port), hostname).on('error', () => {});
    const closed = new Promise((r) => socket.on('close', r).resume());
    const drip = setInterval(() => socket.writable && socket.write('a'), 300);
    socket.write('POST /v1/completions HTTP/1.1\r\nHost: loc');
    await Promise.race([closed, pause(20000)]);
    clearInterval(drip);
    socket.destroy();
    count('slow');
  }
}

const work = [...Array.from({ length: 8 }, texts), malformed(), slow(), slow(), slow()].map((w) => (typeof w === 'function' ? w() : w));
const samples = [];
const sampler = setInterval(() => { if (!ended) samples.push(resident()); }, 1000);
await Promise.all(work);
clearInterval(sampler);
if (ended) {
  console.error(`the server ended: ${ended}`);
  process.exit(1);
}
let busy = 1;
for (let i = 0; i < 100 && busy; ++i) {
  busy = (await (await fetch(url + '/slots')).json()).filter((s) => s.is_processing).length;
  if (busy) await pause(50);
}
// Caches fill at first; what counts is the second half.
const middle = Math.max(...samples.slice(samples.length >> 2, samples.length >> 1)), last = Math.max(...samples.slice(samples.length - (samples.length >> 2)));
const growth = (last - middle) / middle * 100;
console.log(JSON.stringify({ minutes: Number(minutes), counts, causes, resident_kb: { middle, last }, growth_percent: Number(growth.toFixed(2)), busy_slots: busy }));
child.kill('SIGTERM');
if (busy || growth > 2 || counts.broken) process.exit(1);
