// The chat page in Chromium, which goes offline and comes back to the other of two nodes, whose addresses are $NODES. The
// test that starts them runs this file: TestResumeInBrowser of cmd/stompgw.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { Client } from '@stomp/stompjs';
import { WebSocket } from 'ws';
import { launch } from './browser.js';

const TIMEOUT = { timeout: 120_000 };
const AWAY = 5_000; // milliseconds
const KEPT = 100; // messages of a room, as the nodes' configuration says
const LAST = 20; // that a page begins with
const nodes = process.env.NODES.split(' ');

globalThis.WebSocket ??= WebSocket; // before Node.js 22

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

test('nothing is missed on the other node', TIMEOUT, async (t) => {
  const { line, tab, say, heard } = await room(t, 'whole');
  await say(0, 30);
  await hears(tab, 29);
  line.cut();
  await inState(tab, 'waiting');
  await say(30, 60);
  await new Promise((resolve) => setTimeout(resolve, AWAY));
  line.to(nodes[1]);
  await inState(tab, 'whole');
  await say(60, 70);
  await hears(tab, 69);
  assert.deepEqual(await heard(), numbers(0, 70), 'each once, in order');

  line.cut(); // nothing is said meanwhile
  line.to(nodes[0]);
  await inState(tab, 'whole');
  await say(70, 71);
  await hears(tab, 70);
  assert.deepEqual(await heard(), numbers(0, 71));
  assert.deepEqual(tab.complaints, []);
});

test('more than is kept is missed, and a reload shows the last of it', TIMEOUT, async (t) => {
  const { line, tab, say, heard } = await room(t, 'missed');
  await say(0, 1);
  await hears(tab, 0);
  line.cut();
  await inState(tab, 'waiting');
  await say(1, KEPT + 10);
  line.to(nodes[1]);
  await inState(tab, 'missed');
  await tab.getByText('Reload to see what was missed').waitFor();
  await say(KEPT + 10, KEPT + 11);
  await hears(tab, KEPT + 10);
  assert.deepEqual(await heard(), [...numbers(0, 1), ...numbers(KEPT + 10, KEPT + 11)]);

  await tab.reload();
  await inState(tab, 'joined');
  await hears(tab, KEPT + 10);
  assert.deepEqual(await heard(), numbers(KEPT + 11 - LAST, KEPT + 11));
});

// Line is what is between the page and a node. One that is cut takes no connection until it leads somewhere.
class Line {
  static async open(t) {
    const line = new Line();
    line.sockets = new Set();
    line.server = createServer((socket) => line.#carry(socket));
    line.server.listen(0, '127.0.0.1');
    await once(line.server, 'listening');
    line.page = `http://127.0.0.1:${line.server.address().port}/`;
    t.after(() => {
      line.cut();
      line.server.close();
    });
    return line;
  }

  to(node) {
    const [host, port] = node.split(':');
    this.node = { host, port: Number(port) };
  }

  cut() {
    this.node = null;
    for (const socket of this.sockets) socket.destroy();
  }

  #carry(socket) {
    if (!this.node) {
      socket.destroy();
      return;
    }
    const there = connect(this.node);
    for (const [from, to] of [[socket, there], [there, socket]]) {
      this.sockets.add(from);
      from.on('error', () => to.destroy()).on('close', () => this.sockets.delete(from)).pipe(to);
    }
  }
}

// room opens the chat by a line to the first node, and has somebody else there who says numbers.
async function room(t, kind) {
  const name = `${kind}-${Date.now()}`; // the topic may remember others
  const line = await Line.open(t);
  line.to(nodes[0]);
  const context = await browser.newContext();
  t.after(() => context.close());
  const tab = await context.newPage();
  tab.complaints = [];
  tab.on('pageerror', (err) => tab.complaints.push(String(err)));
  await tab.goto(`${line.page}?room=${name}`);
  await inState(tab, 'joined');

  const other = new Client({ brokerURL: `ws://${nodes[0]}/stomp` });
  const connected = new Promise((resolve) => (other.onConnect = resolve));
  other.activate();
  t.after(() => other.deactivate());
  await connected;
  const say = async (from, to) => {
    const taken = new Promise((resolve) => other.watchForReceipt(`r-${to}`, resolve));
    for (const body of numbers(from, to)) {
      other.publish({ destination: `/topic/${name}`, body, headers: Number(body) === to - 1 ? { receipt: `r-${to}` } : {} });
    }
    await taken;
  };
  return { line, tab, say, heard: () => tab.locator('.said').allInnerTexts() };
}

function numbers(from, to) {
  return Array.from({ length: to - from }, (_, i) => String(from + i));
}

function hears(tab, number) {
  return tab.getByText(String(number), { exact: true }).waitFor();
}

function inState(tab, state) {
  return tab.locator(`#state[data-state="${state}"]`).waitFor();
}
