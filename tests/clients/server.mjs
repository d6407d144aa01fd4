// Starts `onebit serve` on a free port with the model in the box, for the tests of clients.
import { spawn } from 'node:child_process';
import { join } from 'node:path';

export const model = join(process.env.ONEBIT_SOURCE, 'models', 'onebit-kjv-austen-6m.gguf');
export const modelName = 'onebit-kjv-austen-6m';

export async function startServer(args = [], env = {}) {
  const child = spawn(process.env.ONEBIT, ['serve', '-m', model, '--port', '0', '-t', '1', '--parallel', '4', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
  });
  const exited = new Promise((resolve) => child.on('exit', (code, signal) => resolve({ code, signal })));
  let log = '';
  const url = await new Promise((resolve, reject) => {
    child.stderr.on('data', (data) => {
      log += data;
      const line = log.match(/ on (http:\S+)/);
      if (line) resolve(line[1]);
    });
    exited.then(({ code }) => reject(new Error(`onebit serve ended with ${code}: ${log}`)));
  });
  return {
    url,
    child,
    exited,
    log: () => log,
    async stop() {
      child.kill('SIGTERM');
      return exited;
    },
  };
}

// POSTs JSON (or a text as it is) and gives the status and the parsed answer.
export async function post(url, body, headers = {}) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: text.startsWith('{') ? JSON.parse(text) : undefined };
}

export const personSchema = {
  type: 'object',
  properties: { name: { type: 'string', maxLength: 12 }, age: { type: 'integer', minimum: 0, maximum: 150 } },
  required: ['name', 'age'],
  additionalProperties: false,
};

export const weatherTool = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather of a city',
    parameters: {
      type: 'object',
      properties: { city: { type: 'string', maxLength: 12 }, unit: { enum: ['C', 'F'] } },
      required: ['city', 'unit'],
      additionalProperties: false,
    },
  },
};
