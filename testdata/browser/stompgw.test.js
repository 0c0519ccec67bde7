// stompgw.js with stompjs in Node.js, and a server of the test that keeps what was published.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Client } from '@stomp/stompjs';
import { WebSocket, WebSocketServer } from 'ws';
import '../../cmd/internal/page/assets/stompgw.js';
import { eventually } from './gateway.js';

const TIMEOUT = { timeout: 60_000 };

globalThis.WebSocket ??= WebSocket; // before Node.js 22

// Broker is a STOMP server of one connection at a time and one log of messages. Its answers are what a test says.
class Broker {
  static async start(t) {
    const broker = new Broker();
    broker.subscribes = []; // headers of all SUBSCRIBEs
    broker.frames = []; // commands that came
    broker.answer = () => ({});
    broker.server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => 'v12.stomp' });
    broker.server.on('connection', (socket) => broker.#serve(socket));
    await once(broker.server, 'listening');
    t.after(() => {
      for (const socket of broker.server.clients) socket.terminate();
      broker.server.close();
    });
    broker.url = `ws://127.0.0.1:${broker.server.address().port}/stomp`;
    return broker;
  }

  #serve(socket) {
    this.socket = socket;
    socket.on('message', (data) => {
      const [head] = String(data).split('\n\n');
      const [command, ...lines] = head.split('\n');
      if (command === '') return; // a heart-beat
      const headers = Object.fromEntries(lines.map((line) => line.split(/:(.*)/s).slice(0, 2)));
      this.frames.push(command);
      if (command === 'CONNECT') this.send('CONNECTED', { version: '1.2', 'heart-beat': '0,0' });
      if (command === 'SUBSCRIBE') {
        this.subscribes.push(headers);
        this.ids = { ...this.ids, [headers.destination]: headers.id };
        const { messages = [], ...told } = this.answer(headers);
        this.send('RECEIPT', { 'receipt-id': headers.receipt, ...told });
        for (const [body, position] of messages) this.publish(body, position, headers.destination);
      }
    });
  }

  send(command, headers, body = '') {
    const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
    this.socket.send(`${command}\n${lines.join('')}\n${body}\0`);
  }

  publish(body, position, destination = '/topic/a') {
    const headers = { destination, subscription: this.ids[destination], 'message-id': 'm' };
    this.send('MESSAGE', position ? { ...headers, 'x-position': position } : headers, body);
  }

  // drop ends the connection, and waits until the next has so many subscriptions.
  async drop(count = 1) {
    const before = this.subscribes.length;
    this.socket.terminate();
    await eventually(() => assert.equal(this.subscribes.length, before + count));
  }

  get last() {
    return this.subscribes.at(-1);
  }
}

// resume connects a client with one subscription, and returns what it was told and has received.
async function resume(t, broker, headers) {
  const told = [];
  const got = [];
  const client = new Client({ brokerURL: broker.url, reconnectDelay: 1 });
  const rooms = stompgw.resuming(client, {
    onSubscribed: (destination) => told.push(['subscribed', destination]),
    onRecovered: (destination, recovered, replayed) => told.push([destination, recovered, replayed]),
  });
  t.after(() => client.deactivate());
  const subscription = rooms.subscribe('/topic/a', ({ body }) => got.push(body), headers); // before it is connected
  client.activate();
  await eventually(() => assert.deepEqual(told, [['subscribed', '/topic/a']]));
  const receives = (...bodies) => eventually(() => assert.deepEqual(got, bodies));
  const hears = (...answers) => eventually(() => assert.deepEqual(told.slice(1), answers));
  return { client, rooms, subscription, receives, hears };
}

test('a subscription goes on from its last message', TIMEOUT, async (t) => {
  const broker = await Broker.start(t);
  broker.answer = () => ({ replayed: 0, 'x-position': 'p0' });
  const own = await resume(t, broker, { 'x-mine': 'kept' });
  assert.equal(broker.last.resume, undefined);
  assert.equal(broker.last.away, undefined);
  broker.publish('one', 'p1');
  broker.publish('two', 'p2');
  await own.receives('one', 'two');

  broker.answer = () => ({ recovered: true, replayed: 2, 'x-position': 'p5', messages: [['three', 'p3'], ['four', 'p4']] });
  await broker.drop();
  await own.receives('one', 'two', 'three', 'four');
  await own.hears(['/topic/a', true, 2]);
  assert.equal(broker.last.resume, 'p2');
  assert.match(broker.last.away, /^\d+$/);
  assert.equal(broker.last['x-mine'], 'kept');
  assert.notEqual(broker.last.receipt, broker.subscribes[0].receipt);

  broker.answer = () => ({ recovered: true, replayed: 0, 'x-position': 'p6' });
  await broker.drop();
  assert.equal(broker.last.resume, 'p4', 'a RECEIPT before a replay says where that ends, not how far it has come');
  await own.hears(['/topic/a', true, 2], ['/topic/a', true, 0]);
});

test('a room in which nothing was said has a position too', TIMEOUT, async (t) => {
  const broker = await Broker.start(t);
  broker.answer = () => ({ replayed: 0, 'x-position': 'p0' });
  const own = await resume(t, broker);
  broker.answer = () => ({ recovered: true, replayed: 0, 'x-position': 'p7' });
  await broker.drop();
  assert.equal(broker.last.resume, 'p0');
  await own.hears(['/topic/a', true, 0]);
  await broker.drop();
  assert.equal(broker.last.resume, 'p7');
});

test('what could not be had is told, and it goes on from there', TIMEOUT, async (t) => {
  const broker = await Broker.start(t);
  broker.answer = () => ({ replayed: 0, 'x-position': 'old' });
  const own = await resume(t, broker);
  broker.answer = () => ({ recovered: false, replayed: 0, 'x-position': 'new' });
  await broker.drop();
  await own.hears(['/topic/a', false, 0]);
  await broker.drop();
  assert.equal(broker.last.resume, 'new');
});

test('a replay that is cut off goes on where it was, and was away since before', TIMEOUT, async (t) => {
  const broker = await Broker.start(t);
  broker.answer = () => ({ replayed: 0, 'x-position': 'p0' });
  const own = await resume(t, broker);
  const left = Date.now(); // no byte comes on this connection any more
  broker.answer = () => ({ recovered: true, replayed: 3, 'x-position': 'p3', messages: [['one', 'p1']] });
  await broker.drop();
  await own.receives('one');
  await new Promise((resolve) => setTimeout(resolve, 20));
  const cut = Date.now();
  await broker.drop();
  assert.equal(broker.last.resume, 'p1');
  assert.ok(Number(broker.last.away) >= cut - left, `${broker.last.away} ms away, want ${cut - left} or more`);
});

test('the first messages of a history that is cut off', TIMEOUT, async (t) => {
  const broker = await Broker.start(t);
  broker.answer = () => ({ replayed: 3, 'x-position': 'p3', messages: [['one', 'p1']] });
  const own = await resume(t, broker, { history: '3' });
  await own.receives('one');
  broker.answer = () => ({ recovered: true, replayed: 0, 'x-position': 'p3' });
  await broker.drop();
  assert.equal(broker.last.resume, 'p1');
  assert.equal(broker.last.away, undefined, 'nobody knows since when all has come');
  await own.hears(['/topic/a', true, 0]);
});

test('without a position nothing is recovered', TIMEOUT, async (t) => {
  const broker = await Broker.start(t);
  broker.answer = () => ({ replayed: 0, 'x-position': 'p0' });
  const own = await resume(t, broker);
  broker.publish('one');
  await own.receives('one');
  broker.answer = () => ({}); // a channel without history, or another server
  await broker.drop();
  assert.equal(broker.last.resume, undefined);
  assert.equal(broker.last.away, undefined);
  await own.hears(['/topic/a', false, 0]);
});

test('subscriptions know their own positions, and end', TIMEOUT, async (t) => {
  const broker = await Broker.start(t);
  broker.answer = ({ destination }) => ({ replayed: 0, 'x-position': `${destination}-0` });
  const own = await resume(t, broker);
  own.rooms.subscribe('/topic/b', () => {}); // while it is connected
  own.rooms.subscribe('/topic/c', () => {}).forget();
  await eventually(() => assert.equal(broker.subscribes.length, 3));
  await broker.drop(2);
  assert.deepEqual(broker.subscribes.slice(3).map((s) => [s.destination, s.resume]), [['/topic/a', '/topic/a-0'], ['/topic/b', '/topic/b-0']]);

  own.subscription.unsubscribe();
  await eventually(() => assert.equal(broker.frames.at(-1), 'UNSUBSCRIBE'));
  await broker.drop();
  assert.equal(broker.last.destination, '/topic/b');
});

test('what the page subscribes to in its onConnect comes first, and is its own', TIMEOUT, async (t) => {
  const broker = await Broker.start(t);
  const client = new Client({ brokerURL: broker.url, reconnectDelay: 1 });
  t.after(() => client.deactivate());
  let rooms;
  client.onConnect = () => {
    client.subscribe('/session/queue/request-error', () => {});
    rooms.subscribe('/topic/new', () => {}).forget();
  };
  rooms = stompgw.resuming(client);
  rooms.subscribe('/topic/a', () => {});
  client.activate();
  const want = ['/session/queue/request-error', '/topic/new', '/topic/a'];
  await eventually(() => assert.deepEqual(broker.subscribes.map((s) => s.destination), want));
  await broker.drop(3);
  assert.deepEqual(broker.subscribes.slice(3).map((s) => s.destination), want);
});
