// The chat page in Chromium, one process of the gateway for each test.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { launch, SCREENSHOTS } from './browser.js';
import { eventually, Gateway } from './gateway.js';

const require = createRequire(import.meta.url);
const TIMEOUT = { timeout: 120_000 };

let browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

test('two tabs chat', TIMEOUT, async (t) => {
  const gateway = await Gateway.start(t);
  const ann = await openTab(t, gateway, { name: 'Ann' });
  const bob = await openTab(t, gateway, { name: 'Bob' });

  await say(ann, 'Tea at four?');
  await hears(bob, 'Tea at four?', 'Ann');
  await say(bob, 'Ano, žluťoučký čaj 🍵');
  await hears(ann, 'Ano, žluťoučký čaj 🍵', 'Bob');
  await say(ann, '<img src=x onerror="document.title = `owned`">');
  await hears(bob, '<img src=x onerror="document.title = `owned`">', 'Ann');

  assert.deepEqual(await heard(ann), await heard(bob), 'both see the same, in the same order');
  assert.equal(await ann.locator('.own').count(), 2, 'Ann knows her own messages');
  assert.equal(await bob.locator('.said img').count(), 0, 'a message never becomes markup');
  assert.equal(await bob.title(), 'test-channel · stompgw chat');
  assert.deepEqual([...ann.complaints, ...bob.complaints], []);
});

test('a room apart, and what the command line publishes', TIMEOUT, async (t) => {
  const gateway = await Gateway.start(t);
  const tea = await openTab(t, gateway, { room: 'tea' });
  const hall = await openTab(t, gateway);

  await say(tea, 'only for the tea room');
  await hears(tea, 'only for the tea room');
  await gateway.cli('publish', '/topic/test-channel', 'from the <b>terminal</b>');
  await hears(hall, 'from the <b>terminal</b>');
  assert.deepEqual(await heard(hall), ['from the <b>terminal</b>']);
});

test('a refusal is shown, and the connection stays', TIMEOUT, async (t) => {
  const gateway = await Gateway.start(t);
  const tab = await openTab(t, gateway, { room: 'closed', state: 'refused' });

  assert.match(await tab.getByRole('alert').innerText(), /\(error \d+\)/);
  await tab.getByLabel('Room', { exact: true }).fill('tea');
  await tab.getByLabel('Room', { exact: true }).press('Enter');
  await inState(tab, 'joined');
  assert.equal(await tab.getByRole('alert').count(), 0, 'the alert is gone in a room that is open');
  assert.match(tab.url(), /\?room=tea$/);
});

test('heart-beats go both ways', TIMEOUT, async (t) => {
  const gateway = await Gateway.start(t);
  const tab = await openTab(t, gateway);
  const beat = { predicate: ({ payload }) => payload === '\n', timeout: 60_000 };

  await Promise.all([tab.socket.waitForEvent('framereceived', beat), tab.socket.waitForEvent('framesent', beat)]);
  await inState(tab, 'joined');
  assert.deepEqual(tab.complaints, []);
});

test('the session list shows both tabs, and a reload replaces one', TIMEOUT, async (t) => {
  const gateway = await Gateway.start(t);
  const ann = await openTab(t, gateway, { name: 'Ann' });
  const bob = await openTab(t, gateway, { name: 'Bob' });
  const listed = () => eventually(async () => assert.deepEqual(await gateway.sessions(), await keys()));
  const keys = async () => [await sessionOf(ann), await sessionOf(bob)].sort();

  const first = await sessionOf(ann);
  await listed();
  await ann.reload();
  await inState(ann, 'joined');
  assert.equal(await ann.getByLabel('Name').inputValue(), 'Ann', 'the name survives a reload');
  assert.notEqual(await sessionOf(ann), first);
  await listed();
  await say(ann, 'back again');
  await hears(bob, 'back again', 'Ann');
});

test('tabs go on by themselves after the gateway was killed', TIMEOUT, async (t) => {
  const gateway = await Gateway.start(t);
  const ann = await openTab(t, gateway, { name: 'Ann' });
  const bob = await openTab(t, gateway, { name: 'Bob' });

  await gateway.stop('SIGKILL');
  await Promise.all([inState(ann, 'waiting'), inState(bob, 'waiting')]);
  assert.ok(await ann.getByRole('button', { name: 'Send' }).isDisabled(), 'nothing can be sent meanwhile');

  await gateway.run(); // which keeps nothing of the room
  await Promise.all([inState(ann, 'missed'), inState(bob, 'missed')]);
  assert.match(await ann.getByRole('status').innerText(), /Reload/);
  await say(ann, 'still here');
  await hears(bob, 'still here', 'Ann');
  await eventually(async () => assert.equal((await gateway.sessions()).length, 2));
});

test('a page without a configuration begins with the last messages, and misses nothing', TIMEOUT, async (t) => {
  const gateway = await Gateway.start(t, { config: null });
  const ann = await openTab(t, gateway, { name: 'Ann' });
  await say(ann, 'first');
  const bob = await openTab(t, gateway, { name: 'Bob' });
  await hears(bob, 'first', 'Ann');
  await gateway.cli('sessions', 'kick', await sessionOf(bob));
  await inState(bob, 'whole');
  await say(ann, 'second');
  await hears(bob, 'second', 'Ann');
  assert.deepEqual(await heard(bob), ['first', 'second']);
});

test('pages see each other come and go, and list the rooms', TIMEOUT, async (t) => {
  const gateway = await Gateway.start(t, { config: null });
  const ann = await openTab(t, gateway, { name: 'Ann', room: 'tea' });
  await here(ann, 'Here: 1 guest');
  const bob = await openTab(t, gateway, { name: 'Bob', room: 'tea' });
  await Promise.all([here(ann, 'Here: 2 guests'), here(bob, 'Here: 2 guests')]);

  const cat = await openTab(t, gateway, { name: 'Cat', room: 'hall' });
  await cat.getByRole('link', { name: /^tea/ }).waitFor();
  await bob.close();
  await here(ann, 'Here: 1 guest');
  assert.deepEqual([...ann.complaints, ...cat.complaints], []);
});

test('a member who reloads has not left, and one whose page is closed has', TIMEOUT, async (t) => {
  const gateway = await Gateway.start(t, { config: null, env: { STOMPGW_AUTH_JWT_SECRET: 'a secret of thirty-two bytes or so' } });
  const tokens = { ann: await gateway.token('--member', '1'), bob: await gateway.token('--member', '2') };
  const [ann, bob] = [await openTab(t, gateway, { room: 'own' }), await openTab(t, gateway, { room: 'own' })];

  const url = gateway.stomp;
  await ann.evaluate(attend, { url, token: tokens.ann });
  await bob.evaluate(attend, { url, token: tokens.bob });
  const events = () => ann.evaluate(() => window.events.filter(({ type, members = [] }) => type !== 'changed' && members.some(({ member }) => member === 2)).map(({ type }) => type));
  await eventually(async () => assert.deepEqual(await events(), ['joined']));
  await bob.reload();
  await inState(bob, 'joined');
  await bob.evaluate(attend, { url, token: tokens.bob });
  await bob.close();
  await eventually(async () => assert.deepEqual(await events(), ['joined', 'left'], 'the reload was no leaving'));
});

test('SIGTERM closes every tab with 1001 and ends with exit code 0', TIMEOUT, async (t) => {
  const gateway = await Gateway.start(t);
  const tabs = [await openTab(t, gateway), await openTab(t, gateway)];

  assert.deepEqual(await gateway.stop('SIGTERM'), { code: 0, signal: null });
  for (const tab of tabs) {
    await inState(tab, 'waiting');
    assert.equal(await tab.evaluate(() => window.closeCodes[0]), 1001);
  }
});

test('a page of another origin may not connect', TIMEOUT, async (t) => {
  const gateway = await Gateway.start(t, { env: { STOMPGW_ORIGINS: 'https://chat.example.com' } }); // or all of localhost may
  const context = await browser.newContext();
  t.after(() => context.close());
  const stranger = await context.newPage();
  await stranger.goto(`${gateway.admin}/healthz`); // another port is another origin
  const outcome = await stranger.evaluate(
    (url) =>
      new Promise((resolve) => {
        const socket = new WebSocket(url, 'v12.stomp');
        socket.onopen = () => resolve('opened');
        socket.onclose = () => resolve('refused');
      }),
    gateway.stomp,
  );
  assert.equal(outcome, 'refused');
  await eventually(() => assert.match(gateway.said, new RegExp(`origins.*${gateway.admin}`), 'the log says what to set'));
});

test('the page is accessible, and looks right', TIMEOUT, async (t) => {
  const gateway = await Gateway.start(t);
  const axe = await readFile(require.resolve('axe-core/axe.min.js'), 'utf8');
  const looks = [
    { name: 'light', colorScheme: 'light', viewport: { width: 1100, height: 760 } },
    { name: 'dark', colorScheme: 'dark', viewport: { width: 1100, height: 760 } },
    { name: 'narrow', colorScheme: 'light', viewport: { width: 360, height: 640 } },
  ];
  for (const { name, ...look } of looks) {
    const tab = await openTab(t, gateway, { name: 'Ann', room: name, look });
    await tab.screenshot({ path: path.join(SCREENSHOTS, `${name}-empty.png`) });
    await say(tab, 'The kettle is on.');
    await hears(tab, 'The kettle is on.');
    await gateway.cli('publish', `/topic/${name}`, JSON.stringify({ from: 'Bob', text: `Coming! ${'mm'.repeat(60)}` }));
    await tab.locator('.said').nth(1).waitFor();
    await tab.evaluate(axe);
    const { violations } = await tab.evaluate(() => axe.run());
    assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map((n) => n.html)]), [], `axe, ${name}`);
    const wide = await tab.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert.equal(wide, false, `${name}: nothing sticks out sideways`);
    await tab.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`) });
  }
});

// openTab opens the chat in a browser of its own profile and waits for the given state. The tab
// carries socket (its newest WebSocket) and complaints (errors and blocked loads so far).
async function openTab(t, gateway, { name, room, look = {}, state = 'joined' } = {}) {
  const context = await browser.newContext(look);
  t.after(() => context.close());
  await context.addInitScript(noteCloseCodes);
  const tab = await context.newPage();
  tab.complaints = [];
  tab.on('pageerror', (err) => tab.complaints.push(String(err)));
  tab.on('console', (message) => message.type() === 'error' && tab.complaints.push(message.text()));
  tab.on('websocket', (socket) => (tab.socket = socket));

  await tab.goto(gateway.page + (room ? `?room=${room}` : ''));
  if (name) {
    await tab.getByLabel('Name').fill(name);
    await tab.getByLabel('Name').press('Tab'); // leaving the field keeps the name
  }
  await inState(tab, state);
  return tab;
}

// attend runs in the page: a member is in a room, and notes in window.events what it is told of who else is. It returns once it is told who is there.
function attend({ url, token }) {
  window.events = [];
  return new Promise((resolve) => {
    const client = new StompJs.Client({ brokerURL: url, connectHeaders: { Authorization: `Bearer ${token}` } });
    client.onConnect = () => {
      client.subscribe('/topic/tea', () => {});
      client.subscribe('/presence/topic/tea', ({ body }) => {
        const event = JSON.parse(body);
        window.events.push(event);
        if (event.type === 'here') resolve();
      });
    };
    client.activate();
  });
}

// noteCloseCodes runs in the page: only there can a close code be seen.
function noteCloseCodes() {
  window.closeCodes = [];
  window.WebSocket = class extends WebSocket {
    constructor(...args) {
      super(...args);
      this.addEventListener('close', ({ code }) => window.closeCodes.push(code));
    }
  };
}

function inState(tab, state) {
  return tab.locator(`#state[data-state="${state}"]`).waitFor();
}

async function say(tab, text) {
  await tab.getByLabel('Message', { exact: true }).fill(text);
  await tab.getByLabel('Message', { exact: true }).press('Enter');
  await tab.locator('#composer[aria-busy="false"]').waitFor();
  assert.equal(await tab.getByLabel('Message', { exact: true }).inputValue(), '', 'the RECEIPT empties the field');
}

async function hears(tab, text, from = '') {
  await tab.getByRole('listitem').filter({ hasText: from }).getByText(text, { exact: true }).waitFor();
}

function here(tab, text) {
  return tab.locator('#here', { hasText: text }).waitFor();
}

function heard(tab) {
  return tab.locator('.said').allInnerTexts();
}

function sessionOf(tab) {
  return tab.locator('#session').innerText();
}
