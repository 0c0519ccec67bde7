// stompjs in Node.js over plain WebSockets: what its users do, in each version of STOMP.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { Client, Versions } from '@stomp/stompjs';
import { WebSocket } from 'ws';
import { Gateway } from './gateway.js';

const TIMEOUT = { timeout: 60_000 };
const VERSIONS = ['1.0', '1.1', '1.2'];

let gateway;
const lastly = [];

before(async () => {
  globalThis.WebSocket ??= WebSocket; // before Node.js 22
  gateway = await Gateway.start({ after: (end) => lastly.push(end) });
});

after(async () => {
  for (const end of lastly) await end();
});

for (const version of VERSIONS) {
  test(`STOMP ${version}: a conversation`, TIMEOUT, async (t) => {
    const client = await connect(t, { versions: [version] });
    assert.equal(client.connectedVersion, version);
    assert.equal(client.socket.protocol, subprotocol(version));
    assert.match(client.greeting.headers.session, /^\d+\/[0-9a-f-]{36}_./);
    assert.match(client.greeting.headers['user-name'], /^\d+\/[0-9a-f-]{36}\/[^/]+\/\d{4}_\d\d_\d\d_T_/);

    const room = `/topic/conversation-${version}`;
    const inbox = await subscribe(client, room);
    await send(client, room, 'hello', { 'content-type': 'text/plain', 'x-note': 'kept' });
    const message = await inbox.next();
    assert.equal(message.body, 'hello');
    assert.equal(message.headers.destination, room);
    assert.equal(message.headers.subscription, inbox.id);
    assert.equal(message.headers['content-type'], 'text/plain');
    assert.equal(message.headers['content-length'], '5');
    assert.equal(message.headers['x-note'], 'kept');
    assert.ok(message.headers['message-id']);
    assert.equal(message.headers.ack, undefined, 'an automatic subscription needs no ack');
  });

  test(`STOMP ${version}: every frame that asks gets its RECEIPT`, TIMEOUT, async (t) => {
    const client = await connect(t, { versions: [version] });
    const inbox = await subscribe(client, `/topic/receipts-${version}`, { ack: 'client' }); // waits for one
    await send(client, `/topic/receipts-${version}`, 'one'); // and so does this
    const ackReceipt = receipt(client, 'r-ack');
    (await inbox.next()).ack({ receipt: 'r-ack' });
    await ackReceipt;
    const unsubscribed = receipt(client, 'r-unsubscribe');
    inbox.subscription.unsubscribe({ receipt: 'r-unsubscribe' });
    await unsubscribed;

    const closed = once(client.socket, 'close');
    const disconnected = new Promise((resolve) => (client.onDisconnect = resolve));
    client.disconnectHeaders = { receipt: 'r-bye' };
    client.deactivate();
    assert.equal((await disconnected).headers['receipt-id'], 'r-bye');
    await closed;
  });

  test(`STOMP ${version}: a body of any bytes`, TIMEOUT, async (t) => {
    const client = await connect(t, { versions: [version] });
    const inbox = await subscribe(client, `/topic/bytes-${version}`);
    const bytes = Uint8Array.from({ length: 1024 }, (_, i) => i % 256);
    const binary = nextIsBinary(client);
    await send(client, `/topic/bytes-${version}`, bytes);
    assert.deepEqual((await inbox.next()).binaryBody, bytes);
    assert.equal(await binary, true, 'what is not UTF-8 comes in a binary message');
  });

  test(`STOMP ${version}: an acknowledged subscription`, TIMEOUT, async (t) => {
    const client = await connect(t, { versions: [version] });
    for (const mode of ['client', ...(version === '1.0' ? [] : ['client-individual'])]) {
      const room = `/topic/ack-${mode}-${version}`;
      const inbox = await subscribe(client, room, { ack: mode });
      for (const body of ['one', 'two', 'three']) await send(client, room, body);
      const messages = [await inbox.next(), await inbox.next(), await inbox.next()];
      assert.equal(new Set(messages.map(({ headers }) => headers['message-id'])).size, 3);
      if (version === '1.2') assert.ok(messages.every(({ headers }) => headers.ack));

      const acked = receipt(client, `ack-${mode}`);
      messages[1].ack({ receipt: `ack-${mode}` }); // "client": one and two; "client-individual": two
      await acked;
      if (version !== '1.0') {
        const refused = receipt(client, `nack-${mode}`);
        messages[2].nack({ receipt: `nack-${mode}` });
        await refused;
      }
      await send(client, room, 'four');
      assert.equal((await inbox.next()).body, 'four', 'the subscription goes on, nothing comes twice');
    }
  });

  test(`STOMP ${version}: a transaction`, TIMEOUT, async (t) => {
    const client = await connect(t, { versions: [version] });
    const room = `/topic/transaction-${version}`;
    const inbox = await subscribe(client, room);

    const dropped = client.begin();
    client.publish({ destination: room, body: 'never', headers: { transaction: dropped.id } });
    const kept = client.begin();
    let answered = false;
    const committed = receipt(client, 'r-first').then(() => (answered = true));
    client.publish({ destination: room, body: 'first', headers: { transaction: kept.id, receipt: 'r-first' } });
    client.publish({ destination: room, body: 'second', headers: { transaction: kept.id } });
    dropped.abort();
    await send(client, room, 'outside');
    assert.equal((await inbox.next()).body, 'outside', 'a transaction holds its messages back');
    assert.equal(answered, false, 'the RECEIPT of a SEND in a transaction waits for COMMIT');

    kept.commit();
    await committed;
    assert.deepEqual([(await inbox.next()).body, (await inbox.next()).body], ['first', 'second']);
    await send(client, room, 'last');
    assert.equal((await inbox.next()).body, 'last', 'what was aborted never comes');
  });
}

test('the server prefers the newest version that both speak', TIMEOUT, async (t) => {
  for (const [versions, want] of [
    [['1.0', '1.1', '1.2'], '1.2'],
    [['1.0', '1.1'], '1.1'],
  ]) {
    const client = await connect(t, { versions });
    assert.equal(client.socket.protocol, subprotocol(want));
    assert.equal(client.connectedVersion, want);
  }
});

test('a client may come without a subprotocol, and to /stomp/websocket', TIMEOUT, async (t) => {
  const client = await connect(t, { protocols: [], path: '/websocket' });
  assert.equal(client.socket.protocol, '');
  assert.equal(client.connectedVersion, '1.2');
});

test('versions talk to each other', TIMEOUT, async (t) => {
  const room = '/topic/versions';
  const inboxes = {};
  for (const version of VERSIONS) {
    inboxes[version] = await subscribe(await connect(t, { versions: [version] }), room);
  }
  const sender = await connect(t, { versions: ['1.2'] });
  await send(sender, room, 'colon', { 'x-note': 'a:b' });
  await send(sender, room, 'end of line', { 'x-note': 'a\ninjected:yes' });

  const want = { '1.0': 'a:b', '1.1': 'a\\cb', '1.2': 'a:b' }; // stompjs undoes escapes in 1.2 alone
  for (const version of VERSIONS) {
    const colon = await inboxes[version].next();
    assert.equal(colon.headers['x-note'], want[version], `STOMP ${version}`);
    const line = await inboxes[version].next();
    assert.equal(line.body, 'end of line', `STOMP ${version}`);
    assert.equal(line.headers.injected, undefined, `STOMP ${version}: a value never becomes an entry`);
  }
});

test('the README shows a client that hears itself', TIMEOUT, async (t) => {
  const node = await Gateway.start(t, { config: null });
  const readme = await readFile('../../gateway/README.md', 'utf8');
  const [, snippet] = /```js\n(const client = .*?)```/s.exec(readme);
  const text = snippet.replace('ws://127.0.0.1:13001/stomp', node.stomp);
  const said = await new Promise((resolve, reject) => {
    const client = new Function('StompJs', 'console', `${text}; return client`)({ Client }, { log: resolve, warn: reject });
    t.after(() => client.deactivate());
  });
  assert.equal(said, 'hello');
});

test('text is UTF-8 from end to end', TIMEOUT, async (t) => {
  const client = await connect(t);
  const text = 'Příliš žluťoučký kůň · 日本語 · 🐎 · \u0000 · العربية';
  const inbox = await subscribe(client, '/topic/místnost-🍵');
  const binary = nextIsBinary(client);
  await send(client, '/topic/místnost-🍵', text, { 'x-kůň': '🐎' });
  const message = await inbox.next();
  assert.equal(message.body, text);
  assert.equal(message.headers.destination, '/topic/místnost-🍵');
  assert.equal(message.headers['x-kůň'], '🐎');
  assert.equal(await binary, false, 'UTF-8 comes in a text message');
});

test('a large frame may come in pieces', TIMEOUT, async (t) => {
  const client = await connect(t, { splitLargeFrames: true, maxWebSocketChunkSize: 1000 });
  const inbox = await subscribe(client, '/topic/large');
  const body = 'ž'.repeat(32 * 1024 - 1); // 2 bytes each, just under limits.message
  await send(client, '/topic/large', body);
  assert.equal((await inbox.next()).body, body);
  await send(client, '/topic/large', 'small');
  assert.equal((await inbox.next()).body, 'small');
});

test('a body over the limit is an ERROR that names the limit', TIMEOUT, async (t) => {
  const client = await connect(t);
  const error = fault(client);
  client.publish({ destination: '/topic/large', body: 'x'.repeat(64 * 1024 + 1), headers: { receipt: 'r-large' } });
  assert.match((await error).headers.message, /65536|64 ?KiB/);
});

test('a body may do without content-length', TIMEOUT, async (t) => {
  const client = await connect(t);
  const inbox = await subscribe(client, '/topic/no-length');
  const sent = receipt(client, 'r-no-length');
  client.publish({
    destination: '/topic/no-length',
    body: 'up to the NUL',
    headers: { receipt: 'r-no-length' },
    skipContentLengthHeader: true,
  });
  await sent;
  const message = await inbox.next();
  assert.equal(message.body, 'up to the NUL');
  assert.equal(message.headers['content-length'], '13');
});

test('order is kept for every subscriber', TIMEOUT, async (t) => {
  const room = '/topic/order';
  const inboxes = await Promise.all(VERSIONS.map(async (v) => subscribe(await connect(t, { versions: [v] }), room)));
  const sender = await connect(t);
  const bodies = Array.from({ length: 1000 }, (_, i) => String(i));
  for (const body of bodies) sender.publish({ destination: room, body });
  for (const inbox of inboxes) {
    const got = [];
    for (const _ of bodies) got.push((await inbox.next()).body);
    assert.deepEqual(got, bodies);
  }
});

test('two subscriptions of one client each get a copy', TIMEOUT, async (t) => {
  const client = await connect(t);
  const one = await subscribe(client, '/topic/copies');
  const two = await subscribe(client, '/topic/copies');
  await send(client, '/topic/copies', 'both');
  assert.equal((await one.next()).body, 'both');
  assert.equal((await two.next()).body, 'both');
  one.subscription.unsubscribe();
  await send(client, '/topic/copies', 'two alone');
  assert.equal((await two.next()).body, 'two alone');
  assert.equal(one.waiting(), 0);
});

test('what proves the sender reaches nobody', TIMEOUT, async (t) => {
  const client = await connect(t);
  const inbox = await subscribe(client, '/topic/secrets');
  const secrets = ['Authorization', 'authorization', 'login', 'passcode', 'client-request-code'];
  await send(client, '/topic/secrets', 'said', {
    ...Object.fromEntries(secrets.map((name) => [name, 'Bearer of-a-secret'])),
    'x-own': 'kept',
  });
  const { headers } = await inbox.next();
  assert.equal(headers['x-own'], 'kept');
  assert.doesNotMatch(JSON.stringify(headers), /of-a-secret|r-\d/, 'neither a secret nor the receipt');
});

test('refusals come on the error channel, and the connection stays', TIMEOUT, async (t) => {
  const client = await connect(t);
  const errors = await subscribe(client, '/session/queue/request-error');
  const refusal = async () => {
    const message = await errors.next();
    assert.equal(message.headers.destination, '/session/queue/request-error');
    const { clientRequestCode, errorCode, errorMessage } = JSON.parse(message.body);
    assert.equal(typeof errorCode, 'number');
    assert.ok(errorMessage);
    return clientRequestCode;
  };
  client.onUnhandledReceipt = (frame) => assert.fail(`a RECEIPT for a failed act: ${frame}`);

  client.subscribe('/topic/closed', () => {}, { 'client-request-code': 'code-1', receipt: 'never-1' });
  assert.equal(await refusal(), 'code-1');
  client.publish({ destination: '/topic/closed', body: 'x', headers: { 'client-request-code': 'code-2', receipt: 'never-2' } });
  assert.equal(await refusal(), 'code-2');
  client.publish({ destination: '/nowhere', body: 'x' });
  assert.equal(await refusal(), null);
  client.publish({ destination: '/session/queue/x', body: 'x', headers: { 'client-request-code': 'code-3' } });
  assert.equal(await refusal(), 'code-3');
  client.subscribe('/queue/x', () => {}, { 'client-request-code': 'code-4' });
  assert.equal(await refusal(), 'code-4');

  const inbox = await subscribe(client, '/topic/open');
  await send(client, '/topic/open', 'goes on');
  assert.equal((await inbox.next()).body, 'goes on');
});

test('a protocol fault is one ERROR, then the end', TIMEOUT, async (t) => {
  const faults = {
    'a duplicate subscription id': (client) => {
      client.subscribe('/topic/a', () => {}, { id: 'same' });
      client.subscribe('/topic/b', () => {}, { id: 'same', receipt: 'r-fault' });
    },
    'an unknown transaction': (client) =>
      client.publish({ destination: '/topic/a', headers: { transaction: 'unknown', receipt: 'r-fault' } }),
    'an undefined escape': (client) => client.socket.send('SEND\ndestination:/topic/\\t\nreceipt:r-fault\n\n\0'),
    'a header without a colon': (client) => client.socket.send('SEND\ndestination\n\n\0'),
    'an unknown command': (client) => client.socket.send('SHOUT\nreceipt:r-fault\n\n\0'),
    'a missing destination': (client) => client.socket.send('SEND\nreceipt:r-fault\n\nhello\0'),
  };
  const said = new Set();
  for (const [name, act] of Object.entries(faults)) {
    const client = await connect(t);
    const error = fault(client);
    act(client);
    const { headers } = await error;
    assert.ok(headers.message, name);
    said.add(headers.message);
    if (!/escape|colon/.test(name)) assert.equal(headers['receipt-id'], 'r-fault', name);
  }
  assert.equal(said.size, Object.keys(faults).length, `each fault has a text of its own: ${[...said].join(' | ')}`);
});

test('heart-beats of one second are granted', TIMEOUT, async (t) => {
  const client = await connect(t, { heartbeatIncoming: 1000, heartbeatOutgoing: 1000 });
  assert.equal(client.greeting.headers['heart-beat'], '1000,1000');
  let beats = 0;
  await new Promise((resolve, reject) => {
    client.onHeartbeatReceived = () => ++beats === 4 && resolve();
    client.onWebSocketClose = () => reject(new Error('closed in spite of heart-beats'));
  });
  client.onWebSocketClose = () => {};
});

// connect opens a client and returns it once CONNECTED came, with its socket and that frame, its greeting.
function connect(t, { versions = ['1.2'], protocols, path = '', ...settings } = {}) {
  const client = new Client({
    stompVersions: new Versions(versions),
    webSocketFactory: () => {
      client.socket = new WebSocket(gateway.stomp + path, protocols ?? versions.map(subprotocol));
      return client.socket;
    },
    heartbeatIncoming: 0,
    heartbeatOutgoing: 0,
    reconnectDelay: 0,
    ...settings,
  });
  t.after(() => client.deactivate({ force: true }));
  return new Promise((resolve, reject) => {
    client.onStompError = (frame) => reject(new Error(`ERROR ${frame.headers.message}`));
    client.onWebSocketClose = ({ code }) => reject(new Error(`closed with ${code}`));
    client.onConnect = (frame) => {
      client.greeting = frame;
      resolve(client);
    };
    client.activate();
  });
}

// subscribe returns an inbox of the subscription once its RECEIPT came.
async function subscribe(client, destination, headers = {}) {
  const messages = [];
  const readers = [];
  const id = `r-${++subscribe.count}`;
  const answered = receipt(client, id);
  const subscription = client.subscribe(
    destination,
    (message) => (readers.length ? readers.shift()(message) : messages.push(message)),
    { receipt: id, ...headers },
  );
  await answered;
  return {
    id: subscription.id,
    subscription,
    waiting: () => messages.length,
    next: () => (messages.length ? messages.shift() : new Promise((resolve) => readers.push(resolve))),
  };
}
subscribe.count = 0;

// send publishes a body, text or bytes, and returns once its RECEIPT came.
async function send(client, destination, body, headers = {}) {
  const id = `r-${++subscribe.count}`;
  const answered = receipt(client, id);
  const content = typeof body === 'string' ? { body } : { binaryBody: body };
  client.publish({ destination, headers: { receipt: id, ...headers }, ...content });
  await answered;
}

function receipt(client, id) {
  return new Promise((resolve) => client.watchForReceipt(id, resolve));
}

// nextIsBinary tells whether the next MESSAGE comes in a binary WebSocket message.
function nextIsBinary(client) {
  return new Promise((resolve) =>
    client.socket.on('message', (data, isBinary) => {
      if (Buffer.from(data).subarray(0, 8).equals(Buffer.from('MESSAGE\n'))) resolve(isBinary);
    }),
  );
}

// fault returns the one ERROR that ends the connection.
async function fault(client) {
  const errors = [];
  client.onStompError = (frame) => errors.push(frame);
  client.onWebSocketClose = () => {};
  await once(client.socket, 'close');
  assert.equal(errors.length, 1);
  return errors[0];
}

function subprotocol(version) {
  return `v${version.replace('.', '')}.stomp`;
}
