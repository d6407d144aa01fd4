import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

const { startServer, post, model } = await import(join(process.env.ONEBIT_SOURCE, 'tests/clients/server.mjs'));
const pause = (ms) => new Promise((r) => setTimeout(r, ms));

let server;
before(async () => { server = await startServer(['--parallel', '8', '--connections', '64', '--max-body', '1']); });
after(() => server.stop());

// Sends bytes as they are and gives all that comes back until the server closes.
function raw(url, bytes, { hold = false } = {}) {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    let out = '';
    socket.on('data', (d) => { out += d; });
    socket.on('error', () => resolve(out));
    socket.on('close', () => resolve(out));
    socket.write(bytes);
    if (!hold) setTimeout(() => socket.end(), 2000).unref();
  });
}

const never = { 4095: -100 };   // the model's end of text
const completion = (prompt, more = {}) => ({ prompt, max_tokens: 8, temperature: 0, logit_bias: never, ...more });

test('8 clients never see the text of another in 1,000 requests', async () => {
  // Copying is forced by a grammar, so that an answer has to hold the marker of its own request.
  let next = 0;
  const client = async () => {
    for (let i; (i = next++) < 1000;) {
      const marker = `m${i.toString(36)}${(i * 7919 % 46656).toString(36)}`;
      const streamed = i % 3 === 0;
      const body = completion(`${marker} ${marker}`, { grammar: `root ::= "<${marker}>"`, max_tokens: 40, stream: streamed, echo: true });
      const r = await post(server.url + '/v1/completions', body);
      assert.equal(r.status, 200, r.text);
      let text = r.json?.choices[0].text ?? '';
      if (streamed) for (const line of r.text.split('\n')) if (line.startsWith('data: {')) text += JSON.parse(line.slice(6)).choices[0]?.text ?? '';
      assert.equal(text, `${marker} ${marker}<${marker}>`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, client));
});

test('the same seed gives the same text alone, together, cached, streamed', async () => {
  const one = await startServer(['--parallel', '1', '--no-cache-prompt', '--ubatch-size', '5']);
  try {
    const prompts = ['In the beginning', 'My dear Mr. Bennet', 'And it came to pass, that', 'She was'];
    const body = (prompt, stream) => completion(prompt, { temperature: 0.9, seed: 11, max_tokens: 24, stream });
    const expected = [];
    for (const p of prompts) expected.push((await post(one.url + '/v1/completions', body(p, false))).json.choices[0].text);
    for (let round = 0; round < 2; ++round) {
      const answers = await Promise.all(prompts.flatMap((p) => [body(p, false), body(p, true)]).map((b) => post(server.url + '/v1/completions', b)));
      answers.forEach((r, i) => {
        const text = r.json ? r.json.choices[0].text : r.text.split('\n').filter((l) => l.startsWith('data: {')).map((l) => JSON.parse(l.slice(6)).choices[0]?.text ?? '').join('');
        assert.equal(text, expected[Math.floor(i / 2)]);
      });
    }
  } finally {
    await one.stop();
  }
});

test('a client that goes away frees its slot', async () => {
  const { hostname, port } = new URL(server.url);
  const busy = async () => (await (await fetch(server.url + '/slots')).json()).filter((s) => s.is_processing).length;
  for (const stream of [true, false]) {
    const body = JSON.stringify(completion('In the beginning', { max_tokens: 490, stream, n: 4 }));
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    socket.write(`POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    for (let i = 0; await busy() === 0; ++i) assert.ok(i < 1000, 'the request never began');
    socket.destroy();
    for (let i = 0; await busy() > 0; ++i) {
      assert.ok(i < 200, 'a slot is still busy');
      await pause(5);
    }
  }
});

test('a full queue says 429 and when to come back', async () => {
  const small = await startServer(['--parallel', '1', '--queue', '1']);
  try {
    const all = await Promise.all(Array.from({ length: 8 }, () => post(small.url + '/v1/completions', completion('In the beginning', { max_tokens: 200 }))));
    const refused = all.filter((r) => r.status === 429);
    assert.ok(refused.length >= 1 && refused.length <= 6, all.map((r) => r.status).join());
    for (const r of refused) {
      assert.equal(r.headers.get('retry-after'), '1');
      assert.equal(r.json.error.code, 'queue_full');
    }
    assert.ok(all.every((r) => r.status === 200 || r.status === 429));
  } finally {
    await small.stop();
  }
});

test('SIGTERM lets texts end, refuses others, and the process is gone', async () => {
  const s = await startServer(['--parallel', '2']);
  const under_way = post(s.url + '/v1/completions', completion('In the beginning', { max_tokens: 480 }));
  for (let i = 0; !(await (await fetch(s.url + '/slots')).json()).some((x) => x.is_processing); ++i) assert.ok(i < 1000);
  s.child.kill('SIGTERM');
  const r = await under_way;
  assert.equal(r.status, 200);
  assert.equal(r.json.usage.completion_tokens, 480);
  assert.deepEqual(await s.exited, { code: 0, signal: null });
  await assert.rejects(fetch(s.url + '/health'));
});

test('bodies that are wrong give errors and the server lives', async () => {
  const url = server.url + '/v1/chat/completions';
  const bodies = ['', '{', '[]', 'null', '"x"', '{"messages":', '\u0000', '{"messages":[{"role":"user","content":"\\ud800"}]}', '['.repeat(200000), '{"a":'.repeat(5000),
    '{"messages":[{"role":"user","content":{}}]}', '{"messages":[{"role":"user","content":"x"}],"n":1e99}', '{"messages":[{"role":"user","content":"x"}],"max_tokens":-1}',
    '{"messages":[{"role":"user","content":"x"}],"temperature":"NaN"}', '{"messages":[{"role":"user","content":"x"}],"grammar":"root ::= root"}',
    '{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"schema":{"pattern":"(((a+)+)+)+$","type":"string"}}}}x'];
  let deep = { type: 'string' };
  for (let i = 0; i < 40; ++i) deep = { type: 'array', items: deep };
  for (let i = 0; i < 200; ++i) deep = { anyOf: [deep] };
  bodies.push(JSON.stringify({ messages: [{ role: 'user', content: 'x' }], response_format: { type: 'json_schema', json_schema: { schema: deep } } }));
  bodies.push(JSON.stringify({ messages: [{ role: 'user', content: 'x' }], grammar: 'root ::= ' + '('.repeat(10000) }));
  bodies.push(JSON.stringify({ messages: [{ role: 'user', content: 'x' }], grammar: 'root ::= "a"{1000000000}' }));
  for (const body of bodies) {
    const r = await post(url, body);
    assert.equal(r.status, 400, `${body.slice(0, 80)}: ${r.status} ${r.text.slice(0, 200)}`);
    assert.equal(r.json.error.type, 'invalid_request_error');
    assert.ok(r.json.error.message.length > 5);
  }
  const bytes = await fetch(url, { method: 'POST', body: Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]) });
  assert.equal(bytes.status, 400);
  assert.equal((await post(url, 'x'.repeat(2 << 20))).status, 413);
  assert.equal((await (await fetch(server.url + '/health')).json()).status, 'ok');
});

test('heads that are wrong or too large are refused', async () => {
  assert.match(await raw(server.url, 'GET /' + 'a'.repeat(20000) + ' HTTP/1.1\r\nHost: localhost\r\n\r\n'), /^(HTTP\/1.1 4\d\d|$)/);
  assert.match(await raw(server.url, 'GET /health HTTP/1.1\r\nHost: localhost\r\n' + 'X-A: b\r\n'.repeat(5000) + '\r\n'), /^(HTTP\/1.1 4\d\d|$)/);
  assert.match(await raw(server.url, 'nonsense\r\n\r\n'), /^(HTTP\/1.1 400|$)/);
  assert.match(await raw(server.url, 'POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'), /^HTTP\/1.1 400/);
  assert.match(await raw(server.url, 'POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc'), /^HTTP\/1.1 415/);
  // A body in chunks is counted too.
  const chunk = '10000\r\n' + 'x'.repeat(0x10000) + '\r\n';
  assert.match(await raw(server.url, 'POST /tokenize HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n' + chunk.repeat(40)), /^(HTTP\/1.1 413|$)/);
  assert.equal((await fetch(server.url + '/health')).status, 200);
});

test('clients that send slowly are cut off while others are served', async () => {
  const sockets = Array.from({ length: 40 }, () => {
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    socket.write('POST /v1/completions HTTP/1.1\r\nHost: loc');
    return socket;
  });
  const closed = Promise.all(sockets.map((s) => new Promise((r) => s.on('close', r).resume())));
  const drip = setInterval(() => sockets.forEach((s) => s.writable && s.write('a')), 500);
  for (let i = 0; i < 5; ++i) assert.equal((await post(server.url + '/v1/completions', completion('x'))).status, 200);
  await closed;
  clearInterval(drip);
  const metrics = await (await fetch(server.url + '/metrics')).text();
  assert.ok(Number(metrics.match(/onebit_connections_timed_out_total (\d+)/)[1]) >= 40);
});

test('more connections than allowed get 503', async () => {
  const few = await startServer(['--connections', '4']);
  try {
    const { hostname, port } = new URL(few.url);
    const sockets = Array.from({ length: 4 }, () => connect(Number(port), hostname).on('error', () => {}));
    await pause(500);
    assert.match(await raw(few.url, 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n'), /^HTTP\/1.1 503/);
    sockets.forEach((s) => s.destroy());
    await pause(500);
    assert.equal((await fetch(few.url + '/health')).status, 200);
  } finally {
    await few.stop();
  }
});

test('Host, Origin and keys', async () => {
  const head = (lines) => raw(server.url, `GET /v1/models HTTP/1.1\r\n${lines}\r\nConnection: close\r\n\r\n`);
  assert.match(await head('Host: localhost'), /^HTTP\/1.1 200/);
  assert.match(await head('Host: rebound.example'), /^HTTP\/1.1 403/);
  const evil = await head('Host: localhost\r\nOrigin: http://evil.example');
  assert.match(evil, /^HTTP\/1.1 403/);
  assert.doesNotMatch(evil, /Access-Control/i);

  const keyed = await startServer([], { ONEBIT_API_KEY: 'secret' });
  try {
    assert.equal((await post(keyed.url + '/v1/completions', completion('x'))).status, 401);
    assert.equal((await post(keyed.url + '/v1/completions', completion('x'), { Authorization: 'Bearer secre' })).status, 401);
    assert.equal((await post(keyed.url + '/v1/completions', completion('x'), { Authorization: 'Bearer secret' })).status, 200);
    assert.equal((await fetch(keyed.url + '/health')).status, 200);
    assert.equal((await fetch(keyed.url + '/metrics')).status, 401);
  } finally {
    await keyed.stop();
  }
  const open = spawnSync(process.env.ONEBIT, ['serve', '-m', model, '--host', '0.0.0.0', '--port', '0'], { encoding: 'utf8' });
  assert.equal(open.status, 2);
  assert.match(open.stderr, /needs --api-key/);
  const bad = spawnSync(process.env.ONEBIT, ['serve', '-m', model], { encoding: 'utf8', env: { ...process.env, ONEBIT_PARALLEL: 'many' } });
  assert.equal(bad.status, 2);
  assert.match(bad.stderr, /ONEBIT_PARALLEL: 'many' is not an integer/);
});

test('an idle server uses no processor time', async () => {
  const { readFileSync } = await import('node:fs');
  const ticks = () => readFileSync(`/proc/${server.child.pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13).reduce((a, b) => a + Number(b), 0);
  await pause(1000);
  const before = ticks();
  await pause(2000);
  assert.ok(ticks() - before <= 4, `${ticks() - before} ticks of 10 ms in 2 s`);
});
