import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import puppeteer from 'puppeteer-core';

const { startServer, modelName } = await import(join(process.env.ONEBIT_SOURCE, 'tests/clients/server.mjs'));
const chromium = process.env.CHROMIUM ?? '/usr/bin/chromium';

let server, browser, page;
const outside = [], problems = [];
before(async () => {
  assert.ok(existsSync(chromium), `${chromium} is missing (scripts/install-deps.sh clients)`);
  server = await startServer();
  browser = await puppeteer.launch({ executablePath: chromium, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });
  page = await browser.newPage();
  page.setDefaultTimeout(120000);
  page.on('request', (r) => { if (!r.url().startsWith(server.url) && !r.url().startsWith('data:')) outside.push(r.url()); });
  page.on('pageerror', (e) => problems.push(String(e)));
  page.on('console', (m) => { if (m.type() === 'error') problems.push(m.text()); });
  await page.goto(server.url + '/');
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const answers = () => page.$$eval('.assistant', (nodes) => nodes.map((n) => n.textContent));
const idle = () => page.waitForFunction(() => !document.getElementById('send').hidden);

test('a message is sent with Enter and the answer arrives in pieces', async () => {
  await page.waitForFunction((name) => document.getElementById('model').textContent === name, {}, modelName);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'input');
  await page.evaluate(() => {
    window.pieces = 0;
    new MutationObserver((list) => { for (const m of list) if (m.target.classList?.contains('assistant')) ++window.pieces; }).observe(document.getElementById('log'), { childList: true, subtree: true });
    document.getElementById('limit').value = 30;
  });
  await page.keyboard.type('In the beginning');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('.notes'));
  assert.ok((await answers())[0].length > 0);
  assert.ok(await page.evaluate(() => window.pieces) > 3);
  assert.match(await page.$eval('.notes', (n) => n.textContent), /tokens in/);
});

test('Escape and the button stop an answer', async () => {
  await page.evaluate(() => { document.getElementById('limit').value = 400; });
  for (const how of ['key', 'button']) {
    const before = (await answers()).length;
    await page.keyboard.type('And it came to pass');
    await page.keyboard.press('Enter');
    await page.waitForFunction((n) => (document.querySelectorAll('.assistant')[n]?.textContent.length ?? 0) > 0, {}, before);
    if (how === 'key') await page.keyboard.press('Escape');
    else await page.evaluate(() => document.getElementById('stop').click());
    await idle();
    assert.equal((await answers()).length, before + 1);
  }
});

test('markup in a message stays text', async () => {
  await page.evaluate(() => { document.getElementById('limit').value = 2; });
  await page.keyboard.type('<img src=x onerror=window.bad=1><b>bold</b>');
  await page.keyboard.press('Enter');
  await idle();
  assert.equal(await page.evaluate(() => document.querySelectorAll('#log b, #log img').length), 0);
  assert.equal(await page.evaluate(() => window.bad), undefined);
});

test('a fault of the server is shown', async () => {
  await page.evaluate(() => { document.getElementById('temperature').value = -1; });
  await page.keyboard.type('x');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.error');
  assert.match(await page.$eval('.error', (n) => n.textContent), /temperature/);
  await page.evaluate(() => document.getElementById('clear').click());
  assert.equal((await answers()).length, 0);
});

test('nothing was fetched from elsewhere and nothing failed', () => {
  assert.deepEqual(outside, []);
  assert.deepEqual(problems.filter((p) => !/400/.test(p)), []);
});
