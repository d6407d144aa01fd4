import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Ollama } from 'ollama';

const { startServer, modelName, personSchema, weatherTool } = await import(join(process.env.ONEBIT_SOURCE, 'tests/clients/server.mjs'));

let server, client;
before(async () => {
  server = await startServer();
  client = new Ollama({ host: server.url });
});
after(() => server.stop());

const options = { seed: 6, temperature: 0.7, num_predict: 20 };
const messages = [{ role: 'user', content: 'In the beginning' }];

test('the model is listed and shown', async () => {
  assert.deepEqual((await client.list()).models.map((m) => m.name), [modelName]);
  const shown = await client.show({ model: modelName });
  assert.equal(shown.details.format, 'gguf');
  assert.match((await (await fetch(server.url + '/api/version')).json()).version, /^\d+\.\d+/);
});

test('a chat, whole and streamed', async () => {
  const whole = await client.chat({ model: modelName, messages, options });
  assert.ok(whole.message.content.length > 0);
  assert.ok(whole.done && whole.eval_count > 0 && whole.prompt_eval_count > 0);
  let text = '', last;
  for await (const piece of await client.chat({ model: modelName, messages, options, stream: true })) {
    text += piece.message.content;
    last = piece;
  }
  assert.equal(text, whole.message.content);
  assert.equal(last.done_reason, whole.done_reason);
});

test('a completion, raw and by the template', async () => {
  const raw = await client.generate({ model: modelName, prompt: 'In the beginning', raw: true, options: { ...options, temperature: 0 } });
  assert.ok(raw.response.length > 0);
  let text = '';
  for await (const piece of await client.generate({ model: modelName, prompt: 'In the beginning', system: 'Be brief.', options, stream: true })) text += piece.response;
  assert.ok(text.length > 0);
});

test('a format by a schema', async () => {
  const r = await client.chat({ model: modelName, messages, options: { ...options, num_predict: 200 }, format: personSchema });
  assert.deepEqual(Object.keys(JSON.parse(r.message.content)), ['name', 'age']);
});

test('tools and embeddings', async () => {
  const r = await client.chat({ model: modelName, messages, tools: [weatherTool], options });
  assert.ok(r.message.content.length > 0 || r.message.tool_calls.length > 0);
  const e = await client.embed({ model: modelName, input: ['a', 'b'] });
  assert.equal(e.embeddings.length, 2);
});

test('errors arrive', async () => {
  await assert.rejects(client.chat({ model: modelName, messages, options: { top_p: 7 } }), /top_p: 7 is not a number from 0 to 1/);
});
