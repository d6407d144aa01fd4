import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';

const { startServer, modelName, personSchema, weatherTool } = await import(join(process.env.ONEBIT_SOURCE, 'tests/clients/server.mjs'));

let server, client;
before(async () => {
  server = await startServer();
  client = new OpenAI({ baseURL: server.url + '/v1', apiKey: 'none', maxRetries: 0 });
});
after(() => server.stop());

const messages = [{ role: 'user', content: 'In the beginning' }];

test('models are listed', async () => {
  const list = await client.models.list();
  assert.deepEqual(list.data.map((m) => m.id), [modelName]);
});

test('a chat gives the same text streamed and whole', async () => {
  const request = { model: modelName, messages, max_tokens: 24, temperature: 0.7, seed: 5 };
  const whole = await client.chat.completions.create(request);
  assert.equal(whole.object, 'chat.completion');
  assert.equal(whole.choices[0].message.role, 'assistant');
  assert.ok(whole.choices[0].message.content.length > 0);
  assert.ok(['stop', 'length'].includes(whole.choices[0].finish_reason));
  assert.equal(whole.usage.total_tokens, whole.usage.prompt_tokens + whole.usage.completion_tokens);

  let text = '', usage, finish;
  for await (const chunk of await client.chat.completions.create({ ...request, stream: true, stream_options: { include_usage: true } })) {
    if (chunk.usage) usage = chunk.usage;
    text += chunk.choices[0]?.delta?.content ?? '';
    finish = chunk.choices[0]?.finish_reason ?? finish;
  }
  assert.equal(text, whole.choices[0].message.content);
  assert.equal(finish, whole.choices[0].finish_reason);
  assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
});

test('n texts with their own seeds', async () => {
  const request = { model: modelName, messages, max_tokens: 12, temperature: 1, seed: 9 };
  const three = await client.chat.completions.create({ ...request, n: 3 });
  assert.equal(three.choices.length, 3);
  const second = await client.chat.completions.create({ ...request, seed: 10 });
  assert.equal(three.choices[1].message.content, second.choices[0].message.content);
  assert.notEqual(three.choices[0].message.content, three.choices[1].message.content);
});

test('stop strings end the text and are not part of it', async () => {
  const base = { model: modelName, prompt: 'In the beginning', max_tokens: 40, temperature: 0 };
  const whole = await client.completions.create(base);
  const text = whole.choices[0].text;
  const stop = text.slice(10, 14);
  const cut = await client.completions.create({ ...base, stop });
  assert.equal(cut.choices[0].text, text.slice(0, text.indexOf(stop)));
  assert.equal(cut.choices[0].finish_reason, 'stop');
  let streamed = '';
  for await (const chunk of await client.completions.create({ ...base, stop, stream: true })) streamed += chunk.choices[0]?.text ?? '';
  assert.equal(streamed, cut.choices[0].text);
});

test('logprobs name the tokens of the text', async () => {
  const r = await client.chat.completions.create({ model: modelName, messages, max_tokens: 8, temperature: 0, logprobs: true, top_logprobs: 3 });
  const content = r.choices[0].logprobs.content;
  assert.equal(content.map((t) => t.token).join(''), r.choices[0].message.content);
  for (const t of content) {
    assert.ok(t.logprob <= 0);
    assert.equal(t.top_logprobs.length, 3);
    assert.equal(t.top_logprobs[0].token, t.token);
    assert.ok(t.top_logprobs[0].logprob >= t.top_logprobs[1].logprob);
  }
});

test('logit_bias bans and forces', async () => {
  const base = { model: modelName, prompt: 'In the beginning', max_tokens: 1, temperature: 0, logprobs: 1 };
  const first = await client.completions.create(base);
  const ids = await (await fetch(server.url + '/tokenize', { method: 'POST', body: JSON.stringify({ content: first.choices[0].text }) })).json();
  const banned = await client.completions.create({ ...base, logit_bias: { [ids.tokens[0]]: -100 } });
  assert.notEqual(banned.choices[0].text, first.choices[0].text);
  const forced = await client.completions.create({ ...base, logit_bias: { 65: 100 } });
  const piece = await (await fetch(server.url + '/detokenize', { method: 'POST', body: JSON.stringify({ tokens: [65] }) })).json();
  assert.equal(forced.choices[0].text, piece.content);
});

test('a JSON schema holds', async () => {
  for (let seed = 0; seed < 5; ++seed) {
    const r = await client.chat.completions.create({
      model: modelName, messages, seed, temperature: 1, max_tokens: 200,
      response_format: { type: 'json_schema', json_schema: { name: 'person', strict: true, schema: personSchema } },
    });
    const person = JSON.parse(r.choices[0].message.content);
    assert.deepEqual(Object.keys(person), ['name', 'age']);
    assert.equal(typeof person.name, 'string');
    assert.ok(Number.isInteger(person.age) && person.age >= 0 && person.age <= 150, String(person.age));
  }
});

test('a tool that is required is called', async () => {
  const request = { model: modelName, messages, tools: [weatherTool], tool_choice: 'required', max_tokens: 200, seed: 1 };
  const r = await client.chat.completions.create(request);
  assert.equal(r.choices[0].finish_reason, 'tool_calls');
  const call = r.choices[0].message.tool_calls[0];
  assert.equal(call.type, 'function');
  assert.equal(call.function.name, 'get_weather');
  assert.deepEqual(Object.keys(JSON.parse(call.function.arguments)), ['city', 'unit']);
  // The answer of the tool goes back in.
  const next = await client.chat.completions.create({
    model: modelName, max_tokens: 8, tools: [weatherTool], tool_choice: 'none',
    messages: [...messages, r.choices[0].message, { role: 'tool', tool_call_id: call.id, content: '20 C' }],
  });
  assert.equal(next.choices[0].message.tool_calls, undefined);

  let name = '', args = '', finish;
  for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) {
    const delta = chunk.choices[0]?.delta;
    for (const c of delta?.tool_calls ?? []) {
      name += c.function.name ?? '';
      args += c.function.arguments ?? '';
    }
    finish = chunk.choices[0]?.finish_reason ?? finish;
  }
  assert.equal(finish, 'tool_calls');
  assert.equal(name, 'get_weather');
  assert.equal(args, call.function.arguments);
});

test('embeddings have length one and tell texts apart', async () => {
  const r = await client.embeddings.create({ model: modelName, input: ['And it came to pass', 'And it came to pass', 'My dear Mr. Bennet'] });
  assert.equal(r.data.length, 3);
  const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
  const [a, b, c] = r.data.map((d) => d.embedding);
  assert.ok(Math.abs(dot(a, a) - 1) < 1e-5);
  assert.deepEqual(a, b);
  assert.ok(dot(a, c) < 0.999);
  assert.ok(r.usage.prompt_tokens > 0);
});

test('errors arrive as the classes of the client', async () => {
  await assert.rejects(client.chat.completions.create({ model: modelName, messages, temperature: -1 }), (e) => {
    assert.ok(e instanceof OpenAI.BadRequestError);
    assert.equal(e.param, 'temperature');
    assert.match(e.message, /temperature: -1 is not a number from 0 to 100/);
    return true;
  });
  await assert.rejects(client.chat.completions.create({ model: modelName, messages: [] }), OpenAI.BadRequestError);
  await assert.rejects(client.post('/nowhere', { body: {} }), OpenAI.NotFoundError);
  await assert.rejects(client.chat.completions.create({ model: modelName, messages, response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { $ref: '#/nothing' } } } }),
    OpenAI.BadRequestError);
  const long = 'word '.repeat(5000);
  await assert.rejects(client.completions.create({ model: modelName, prompt: long }), /tokens, the context/);
});

test('an abort frees the slot', async () => {
  const abort = new AbortController();
  const stream = await client.chat.completions.create({ model: modelName, messages, stream: true, max_tokens: 400, temperature: 1, logit_bias: { 4095: -100 } }, { signal: abort.signal });
  for await (const chunk of stream) if (chunk.choices[0]?.delta?.content) break;
  abort.abort();
  for (let i = 0; ; ++i) {
    const slots = await (await fetch(server.url + '/slots')).json();
    if (slots.every((s) => !s.is_processing)) break;
    assert.ok(i < 200, 'the slot is still busy');
    await new Promise((r) => setTimeout(r, 10));
  }
});
