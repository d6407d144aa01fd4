import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, Output, embed, embedMany, generateText, streamText, tool } from 'ai';
import { z } from 'zod';

const { startServer, modelName } = await import(join(process.env.ONEBIT_SOURCE, 'tests/clients/server.mjs'));

let server, provider;
before(async () => {
  server = await startServer();
  provider = createOpenAICompatible({ name: 'onebit', baseURL: server.url + '/v1', includeUsage: true, supportsStructuredOutputs: true });
});
after(() => server.stop());

const common = () => ({ model: provider(modelName), prompt: 'In the beginning', maxRetries: 0, seed: 3, temperature: 0.7, maxOutputTokens: 20 });

test('a text, whole and streamed', async () => {
  const whole = await generateText(common());
  assert.ok(whole.text.length > 0);
  assert.ok(whole.usage.outputTokens > 0);
  const stream = streamText(common());
  let text = '';
  for await (const piece of stream.textStream) text += piece;
  assert.equal(text, whole.text);
  assert.equal((await stream.usage).outputTokens, whole.usage.outputTokens);
});

test('an object by a schema', async () => {
  const schema = z.object({ name: z.string().max(12), age: z.number().int().min(0).max(150) });
  const { output } = await generateText({ ...common(), maxOutputTokens: 200, output: Output.object({ schema }) });
  assert.ok(schema.safeParse(output).success, JSON.stringify(output));
});

test('a tool is called', async () => {
  const tools = { get_weather: tool({ description: 'The weather of a city', inputSchema: z.object({ city: z.string().max(12) }) }) };
  const r = await generateText({ ...common(), maxOutputTokens: 200, tools, toolChoice: 'required' });
  assert.equal(r.toolCalls[0].toolName, 'get_weather');
  assert.equal(typeof r.toolCalls[0].input.city, 'string');
  assert.equal(r.finishReason, 'tool-calls');
});

test('embeddings', async () => {
  const model = provider.embeddingModel ? provider.embeddingModel(modelName) : provider.textEmbeddingModel(modelName);
  const one = await embed({ model, value: 'And it came to pass' });
  const many = await embedMany({ model, values: ['And it came to pass', 'x'] });
  assert.deepEqual(many.embeddings[0], one.embedding);
});

test('errors carry the status and the message', async () => {
  await assert.rejects(generateText({ ...common(), topP: 7 }), (e) => {
    assert.ok(APICallError.isInstance(e));
    assert.equal(e.statusCode, 400);
    assert.match(e.message, /top_p: 7 is not a number from 0 to 1/);
    return true;
  });
});
