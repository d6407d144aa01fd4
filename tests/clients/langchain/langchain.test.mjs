import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ChatOpenAI, OpenAI, OpenAIEmbeddings } from '@langchain/openai';

const { startServer, modelName, personSchema, weatherTool } = await import(join(process.env.ONEBIT_SOURCE, 'tests/clients/server.mjs'));

let server;
before(async () => { server = await startServer(); });
after(() => server.stop());

const options = (more = {}) => ({ model: modelName, apiKey: 'none', maxRetries: 0, temperature: 0.7, maxTokens: 20, modelKwargs: { seed: 4 }, configuration: { baseURL: server.url + '/v1' }, ...more });

test('a chat, whole and streamed', async () => {
  const chat = new ChatOpenAI(options());
  const whole = await chat.invoke('In the beginning');
  assert.ok(whole.content.length > 0);
  assert.ok(whole.usage_metadata.output_tokens > 0);
  let text = '';
  for await (const piece of await chat.stream('In the beginning')) text += piece.content;
  assert.equal(text, whole.content);
});

test('a completion', async () => {
  assert.ok((await new OpenAI(options()).invoke('In the beginning')).length > 0);
});

test('structured output', async () => {
  const chat = new ChatOpenAI(options({ maxTokens: 200 })).withStructuredOutput(personSchema, { name: 'person', method: 'jsonSchema' });
  const person = await chat.invoke('In the beginning');
  assert.deepEqual(Object.keys(person), ['name', 'age']);
});

test('a tool is called', async () => {
  const chat = new ChatOpenAI(options({ maxTokens: 200 })).bindTools([weatherTool], { tool_choice: 'required' });
  const answer = await chat.invoke('In the beginning');
  assert.equal(answer.tool_calls[0].name, 'get_weather');
  assert.ok(['C', 'F'].includes(answer.tool_calls[0].args.unit));
});

test('embeddings', async () => {
  const model = new OpenAIEmbeddings({ model: modelName, apiKey: 'none', maxRetries: 0, configuration: { baseURL: server.url + '/v1' } });
  const vectors = await model.embedDocuments(['a', 'b']);
  assert.equal(vectors.length, 2);
  assert.deepEqual(await model.embedQuery('a'), vectors[0]);
});

test('errors name the field', async () => {
  await assert.rejects(new ChatOpenAI(options({ topP: 7 })).invoke('x'), /top_p: 7 is not a number from 0 to 1/);
});
