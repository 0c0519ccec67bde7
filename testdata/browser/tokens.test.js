// Who has logged in, as client libraries in Chromium see it: the page flow of the replaced system, tokens
// that expire while messages flow, and subscriptions by pattern.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { launch } from './browser.js';
import { eventually, Gateway } from './gateway.js';
import { LIBRARIES } from './libraries.js';
import { Member } from './member.js';
import { TRANSPORTS } from './reference.js';

const TIMEOUT = { timeout: 120_000 };
const ERRORS = '/session/queue/request-error';
const ROOM = '/topic/members/tea';
const LOGIN = { errorCode: 1, errorMessage: 'Need Login' };

const PLAIN = { library: 'stompjs 7', transport: 'plain' };
const WAYS = [{ library: 'stomp.js 2.3.3', transport: 'websocket' }, { library: 'stomp.js 2.3.3', transport: 'xhr-polling' }, PLAIN];

// Members may enter, and who says so in a header: with that, a subscription goes on without a login.
const MEMBERS = `'has(claims.mu) || "open" in headers'`;
const OPEN = { open: 'yes' };

let browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

describe('refused, logged in, accepted', () => {
  const ways = [
    ...LIBRARIES.map((library) => ({ library, transport: 'websocket' })),
    ...TRANSPORTS.filter(({ transport }) => transport !== 'websocket').map(({ transport }) => ({ library: 'stomp.js 2.3.3', transport })),
    PLAIN,
  ];
  let gateway, good, expired;
  const lastly = [];

  before(async () => {
    const t = { after: (end) => lastly.push(end) };
    gateway = await start(t);
    good = await tokenOf(t, gateway, 42, '1h');
    expired = await tokenOf(t, gateway, 42, '-1h');
  });

  after(async () => {
    for (const end of lastly) await end();
  });

  for (const way of ways) {
    test(name(way), TIMEOUT, async (t) => {
      const page = await Member.enter(t, browser, gateway, way, 'aa');
      assert.equal(page.transport, way.transport);
      assert.equal(await page.subscribe('errors', ERRORS, 'aa'), null, 'the error channel is open to all');
      for (const token of ['aa', expired, undefined]) {
        wantRefusal(await page.subscribe('room', ROOM, token), { clientRequestCode: 'SUBSCRIBE', ...LOGIN });
      }
      wantRefusal(await page.send(`/app${ROOM}`, 'a stranger'), { clientRequestCode: 'SEND', ...LOGIN });
      await eventually(async () => assert.deepEqual(await members(gateway), [null]));

      assert.equal(await page.subscribe('room', ROOM, good), null);
      await eventually(async () => assert.deepEqual(await members(gateway), [42]));
      assert.equal(await page.send(`/app${ROOM}`, 'of the session, which has logged in'), null);
      await page.bodies('room', 1);
      await gateway.cli('publish', ROOM, 'of the terminal');
      const heard = await page.heard('room', 2);
      assert.deepEqual(heard.map(({ body }) => body), ['of the session, which has logged in', 'of the terminal']);
      assert.doesNotMatch(JSON.stringify(heard), /Bearer|authorization|request-code/i);
      assert.deepEqual(await page.heard('errors', 0), [], 'nothing that was not asked');
      await page.leave();
      await eventually(async () => assert.deepEqual(await members(gateway), []));
    });
  }
});

describe('a token expires while messages flow', () => {
  for (const way of WAYS) {
    test(`${name(way)}: delivery stops, and a new token brings it back`, TIMEOUT, async (t) => {
      const gateway = await start(t, '500ms');
      const { sender, listener } = await begin(t, gateway, way);
      const heard = await flow(sender, listener, ({ room, witness }) => room.length < witness.length);
      wantLapse(heard.errors);
      wantRefusal(await listener.send(ROOM, 'a stranger'), { clientRequestCode: 'SEND', ...LOGIN });

      const renewed = await tokenOf(t, gateway, 42, '1h');
      assert.equal(await listener.send(ROOM, 'renewed', renewed), null);
      assert.deepEqual(await listener.bodies('room', heard.room.length + 1), [...heard.room, 'renewed'], 'what was withheld is gone');
      assert.deepEqual(await listener.bodies('witness', heard.witness.length + 1), [...heard.witness, 'renewed']);
      wantLapse(await listener.bodies('errors', 1));
    });
  }

  test('in the time of grace delivery goes on', TIMEOUT, async (t) => {
    const gateway = await start(t, '1h');
    const { sender, listener } = await begin(t, gateway, PLAIN);
    await flow(sender, listener, ({ errors }) => errors.length > 0);
    wantLapse(await listener.bodies('errors', 1));
    const before = (await listener.bodies('room', 1)).length;
    assert.equal(await sender.send(ROOM, 'still heard'), null);
    assert.equal((await listener.bodies('room', before + 1)).at(-1), 'still heard');
    assert.deepEqual(await listener.bodies('room', 0), await listener.bodies('witness', before + 1), 'none is missing');
  });
});

describe('a subscription by pattern', () => {
  const channels = `
  - { match: /topic/p/vip, subscribe: ${MEMBERS}, send: "true" }
  - { match: "/topic/p/{room}", subscribe: "true", send: "true", patterns: true }
  - { match: "/topic/q/{room}", subscribe: "true", send: "true" }`;

  for (const way of WAYS) {
    test(name(way), TIMEOUT, async (t) => {
      const gateway = await start(t, '30s', channels);
      const page = await Member.enter(t, browser, gateway, way);
      assert.equal(await page.subscribe('errors', ERRORS), null);
      for (const pattern of ['/topic/q/*', '/topic/**', '/topic/none/*']) {
        wantRefusal(await page.subscribe('refused', pattern), { clientRequestCode: 'SUBSCRIBE', errorCode: 4 });
      }
      assert.equal(await page.subscribe('rooms', '/topic/p/*'), null);
      assert.equal(await page.subscribe('witness', '/topic/p/*', undefined, OPEN), null);

      const heard = () => page.heard('witness', ++sent);
      let sent = 0;
      for (const room of ['tea', 'vip', 'hall', 'vip']) {
        assert.equal(await page.send(`/topic/p/${room}`, `in ${room}`), null);
        await heard();
      }
      assert.deepEqual(places(await page.heard('rooms', 0)), ['/topic/p/tea in tea', '/topic/p/hall in hall'], 'each by its own rule');
      assert.equal(await page.send('/topic/p/vip', 'logged in', await tokenOf(t, gateway, 42, '1h')), null);
      assert.equal(places(await heard()).at(-1), '/topic/p/vip logged in');
      assert.equal(places(await page.heard('rooms', 3)).at(-1), '/topic/p/vip logged in');
      assert.deepEqual(await page.heard('refused', 0), []);
    });
  }
});

// start runs a gateway that takes tokens; it logs all it can, and the test fails if a token is there.
async function start(t, grace = '30s', channels = `
  - { match: "/topic/members/{room}", subscribe: ${MEMBERS}, send: has(claims.mu) }`) {
  const dir = await mkdtemp(path.join(tmpdir(), 'stompgw-'));
  t.after(() => rm(dir, { recursive: true }));
  const secret = path.join(dir, 'jwt.secret');
  await writeFile(secret, randomBytes(32).toString('base64'));
  return Gateway.start(t, { config: `
auth:
  jwt: { secret_file: ${secret}, leeway: 1m }
  grace: ${grace}
channels:${channels}
routes:
  - { match: "/app/topic/members/{room}", allow: has(claims.mu), publish: "/topic/members/{room}" }
log: { level: debug }
` });
}

// tokenOf makes a token of a member that holds for ttl.
async function tokenOf(t, gateway, member, ttl) {
  const token = await gateway.token('--member', String(member), '--ttl', ttl);
  t.after(() => assert.ok(!gateway.said.includes(token), 'no token is in the log'));
  return token;
}

// begin has a sender, and a listener whose token soon expires and who hears all in the inbox room, and
// as witness what he would hear without a login. Both are subscriptions of one session to one
// destination, so that what the witness has heard has come to the room before, or never will.
async function begin(t, gateway, way) {
  const sender = await Member.enter(t, browser, gateway, PLAIN, await tokenOf(t, gateway, 7, '1h'));
  const listener = await Member.enter(t, browser, gateway, way);
  assert.equal(await listener.subscribe('errors', ERRORS), null);
  assert.equal(await listener.subscribe('room', ROOM, await tokenOf(t, gateway, 42, '3s')), null);
  assert.equal(await listener.subscribe('witness', ROOM, undefined, OPEN), null);
  return { sender, listener };
}

// flow sends one message after the other until done with what the listener has heard, which it returns.
async function flow(sender, listener, done) {
  for (let n = 0; ; n++) {
    assert.equal(await sender.send(ROOM, String(n)), null);
    const witness = await listener.bodies('witness', n + 1);
    const heard = { witness, room: await listener.bodies('room', 0), errors: await listener.bodies('errors', 0) };
    assert.deepEqual(heard.room, witness.slice(0, heard.room.length), 'all up to some point, once and in order');
    if (done(heard)) return heard;
  }
}

// wantLapse holds that the listener was told, once and without having asked, to log in again.
function wantLapse(errors) {
  assert.equal(errors.length, 1);
  wantRefusal(JSON.parse(errors[0]), { clientRequestCode: null, ...LOGIN });
}

function wantRefusal(refusal, want) {
  assert.ok(refusal, 'it was accepted');
  const got = Object.fromEntries(Object.keys(want).map((key) => [key, refusal[key]]));
  assert.deepEqual(got, want);
}

async function members(gateway) {
  return (await gateway.list()).map(({ member }) => member);
}

function places(messages) {
  return messages.map(({ headers, body }) => `${headers.destination} ${body}`);
}

function name({ library, transport }) {
  return `${library}, ${transport}`;
}
