// The page of the replaced system in Chromium, from the gateway and from disk, over every transport of
// SockJS, on a node with the configuration that comes with the program.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { FAR, launch, SCREENSHOTS } from './browser.js';
import { eventually, Gateway } from './gateway.js';
import { DISK, Reference, TRANSPORTS } from './reference.js';

const require = createRequire(import.meta.url);
const TIMEOUT = { timeout: 60_000 };

let browser;
let gateway; // as it comes: pages of its own may use it
let open; // one that takes in pages from anywhere
const lastly = [];

before(async () => {
  browser = await launch();
  const t = { after: (end) => lastly.push(end) };
  gateway = await Gateway.start(t, { config: null });
  open = await Gateway.start(t, { config: null, env: { STOMPGW_ORIGINS: '*' } });
});

after(async () => {
  await browser?.close();
  for (const end of lastly) await end();
});

describe('the page from the gateway', () => {
  for (const { transport } of TRANSPORTS) {
    test(transport, TIMEOUT, (t) => converse(t, gateway, served(gateway), { transports: transport }));
  }
});

// Where browsers don't say from which site a request comes, the gateway goes by other signs; only the
// transports that are no XHR care. htmlfile can't work there without an iframe of its own: the protocol
// has its frame set document.domain, and then the browser lets it reach no page that has not done so.
describe('the page from a gateway that is not on this machine', () => {
  for (const transport of ['iframe-htmlfile', 'jsonp-polling']) {
    test(transport, TIMEOUT, (t) => {
      const url = served(gateway).replace('127.0.0.1', FAR);
      return converse(t, gateway, url, { transports: transport });
    });
  }
});

describe('the page from disk', () => {
  for (const { transport } of TRANSPORTS.filter(({ fromDisk }) => fromDisk)) {
    test(transport, TIMEOUT, (t) => converse(t, open, DISK, { gateway: open.page, transports: transport }));
  }
});

test('another endpoint, from the gateway and from disk', TIMEOUT, async (t) => {
  const endpoint = '/ws/chat';
  const moved = await Gateway.start(t, { config: null, env: { STOMPGW_ENDPOINT: endpoint, STOMPGW_ORIGINS: '*' } });
  for (const transports of ['websocket', 'iframe-xhr-polling']) {
    await converse(t, moved, served(moved), { transports });
    await converse(t, moved, DISK, { gateway: moved.page, endpoint, transports });
  }
});

function served({ page }) {
  return `${page}reference.html`;
}

// converse does what the page can do, and holds that it used the transport, by SockJS's word and by the
// gateway's.
async function converse(t, gateway, url, query) {
  const { listed } = TRANSPORTS.find(({ transport }) => transport === query.transports);
  const transports = async () => (await gateway.list()).map(({ transport }) => transport);
  const page = await Reference.open(t, browser, url, query);
  assert.equal(await page.state(), 'disconnected');
  for (const text of ['Tea at four?', 'Ano, <b>žluťoučký</b> čaj 🍵 "jistě" \u2028']) {
    await page.connect();
    assert.equal(await page.transport(), query.transports);
    await eventually(async () => assert.deepEqual(await transports(), [listed]));
    await page.send(text);
    await page.hears(text);
    await page.beRefused();
    await page.disconnect();
    await eventually(async () => assert.deepEqual(await transports(), [], 'no session is left'));
  }
  const heard = await page.heard();
  assert.equal(heard.length, 2, `each message once: ${heard}`);
  assert.equal(await page.tab.locator('#errors li').count(), 2);
  assert.equal(await page.tab.locator('li *').count(), 0, 'a message never becomes markup');
  assert.deepEqual(page.complaints, []);
}

test('SockJS chooses websocket by itself', TIMEOUT, async (t) => {
  const page = await Reference.open(t, browser, served(gateway));
  await page.connect();
  assert.equal(await page.transport(), 'websocket');
});

test('the page says that there is no gateway, and can be told to try again', TIMEOUT, async (t) => {
  const page = await Reference.open(t, browser, DISK, { gateway: 'http://127.0.0.1:1' });
  for (let tries = 0; tries < 2; tries++) {
    await page.tab.getByRole('button', { name: 'Connect', exact: true }).click();
    await page.tab.getByRole('alert').getByText("can't be loaded").waitFor();
    assert.equal(await page.state(), 'disconnected');
  }
});

test('the page says that the connection has ended', TIMEOUT, async (t) => {
  const page = await Reference.open(t, browser, served(gateway));
  await page.connect();
  await page.tab.evaluate(() => window.client.subscribe('/topic/test-channel', () => {}, { id: 'sub-0' }));
  await page.tab.locator('#state[data-state="disconnected"]').waitFor();
  assert.match(await page.tab.getByRole('alert').innerText(), /subscription|id/, 'what the ERROR frame says');
  await page.connect();
});

test('a gateway that stops says so over every transport', TIMEOUT, async (t) => {
  const stopping = await Gateway.start(t, { config: null, env: { STOMPGW_DRAIN_DURATION: '1s' } });
  const pages = [];
  for (const { transport } of TRANSPORTS.filter(({ transport }) => !transport.startsWith('iframe-'))) {
    const page = await Reference.open(t, browser, served(stopping), { transports: transport });
    await page.connect();
    await page.noteClose();
    pages.push(page);
  }
  assert.deepEqual(await stopping.stop('SIGTERM'), { code: 0, signal: null });
  for (const page of pages) {
    await page.tab.locator('#state[data-state="disconnected"]').waitFor();
    assert.equal(await page.closeCode(), 1001);
    assert.equal(await page.tab.getByRole('alert').innerText(), 'The connection has ended.');
  }
});

test('the page is accessible, and looks right', TIMEOUT, async (t) => {
  const axe = await readFile(require.resolve('axe-core/axe.min.js'), 'utf8');
  const looks = [
    { name: 'light', colorScheme: 'light', viewport: { width: 1100, height: 760 } },
    { name: 'dark', colorScheme: 'dark', viewport: { width: 1100, height: 760 } },
    { name: 'narrow', colorScheme: 'light', viewport: { width: 360, height: 640 } },
  ];
  for (const { name, ...look } of looks) {
    const page = await Reference.open(t, browser, served(gateway), {}, look);
    await accessible(page, axe, `reference-${name}-empty`);
    await page.connect();
    await page.send('The kettle is on.');
    await page.send(`Coming! ${'mm'.repeat(60)}`);
    await page.hears('Coming!');
    await page.beRefused();
    await accessible(page, axe, `reference-${name}`);
  }
});

async function accessible({ tab }, axe, name) {
  await tab.evaluate(axe);
  const { violations } = await tab.evaluate(() => axe.run());
  assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map((n) => n.html)]), [], `axe, ${name}`);
  const wide = await tab.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.equal(wide, false, `${name}: nothing sticks out sideways`);
  await tab.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`) });
}

test('the binary serves the libraries that package.json pins', TIMEOUT, async () => {
  for (const [served, pinned] of [
    ['sockjs.min.js', 'sockjs-client/dist/sockjs.min.js'],
    ['stomp.min.js', 'stompjs/lib/stomp.min.js'],
    ['stomp-LICENSE.txt', 'stompjs/LICENSE.txt'],
    ['stomp.umd.min.js', '@stomp/stompjs/bundles/stomp.umd.min.js'],
  ]) {
    const got = Buffer.from(await (await fetch(gateway.page + served)).arrayBuffer());
    const want = await readFile(path.join('node_modules', pinned));
    assert.ok(want.equals(got), `copy node_modules/${pinned} to cmd/internal/page/assets/${served}`);
  }
});
