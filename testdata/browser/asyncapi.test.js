// AsyncAPI's own parser on what `stompgw asyncapi` prints: the configurations that come with the program, and rules of every kind.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';

const { Parser } = createRequire(import.meta.url)('@asyncapi/parser');
const binary = path.resolve(process.env.STOMPGW ?? '../../bin/stompgw');
const TIMEOUT = { timeout: 120_000 };
const LATEST = 'asyncapi-latest-version'; // 3.0.0 is what tools take

// Rules of every kind, and what makes addresses of them: variables that AsyncAPI has no names for, wildcards, # and spaces.
const EVERY_KIND = `
listen: 0.0.0.0:13001
tcp: { listen: ":61613" }
tls: { cert: none.pem, key: none.key }
auth: { jwt: { secret_file: none }, anonymous: refuse }
channels:
  - { match: /topic/fixed, subscribe: "true", send: "true", summary: "All & <everybody>\\nhere" }
  - { match: "/topic/room-*", subscribe: "true", presence: true, history: { size: 10, ttl: 1m } }
  - { match: "/topic/r?m/*/{segment}", subscribe: '"mu" in claims', presence: count }
  - { match: "/topic/orders/{member}/**", subscribe: 'string(claims.mu) == vars.member', patterns: true }
  - { match: "/topic/{방}/x", subscribe: "true" }
  - { match: "/topic/{a.b}/{a_b}/y", subscribe: "true" }
  - { match: "/topic/a#b c/d", subscribe: "true" }
  - { match: /topic/closed }
  - match: /topic/chat
    subscribe: "true"
    send: "true"
    schema:
      type: object
      $defs: { text: { type: string, maxLength: 99 } }
      properties: { chat: { $ref: "#/$defs/text" }, pair: { prefixItems: [{ type: integer }], unevaluatedItems: false } }
    examples: [{ chat: hello }]
  - { match: /topic/fixed, subscribe: "false" }
  - { match: "/queue/**", subscribe: "true", send: session.member == 1 }
  - { match: "/presence/topic/room-1", subscribe: '"ROLE_STAFF" in claims.rl' }
  - { match: "/member/7/queue/{name}", subscribe: "claims.ok == true" }
  - { match: "/member/{member}/queue/{name}", subscribe: "true", send: '"ROLE_SHOP" in claims.rl' }
  - { match: "/session/**", subscribe: "true", send: "true" }
  - { match: "/**", subscribe: "true" }
routes:
  - { match: "/app/orders/{id}", allow: '"mu" in claims', publish: "/topic/orders/{id}/new", body: '{"id": vars.id}', headers: '{"x": vars.id}' }
  - { match: "/app/pay", allow: "true", to: { topic: payments } }
  - { match: "/app/chat", allow: "true", publish: /topic/chat, to: { topic: chat-in, key: session } }
  - { match: "/app/**/{last}", allow: "true", publish: "/session/queue/{last}" }
`;

// document returns what the command prints, read by the parser, which may have nothing to complain of.
async function document(...args) {
  const { stdout } = await promisify(execFile)(binary, ['asyncapi', ...args]);
  const { document, diagnostics } = await new Parser().parse(stdout);
  assert.deepEqual(diagnostics.filter(({ code }) => code !== LATEST).map(({ message, path }) => `${path.join('.')}: ${message}`), []);
  return document;
}

// operations are the actions of a document, by address.
function operations(document) {
  const all = {};
  for (const channel of document.channels()) {
    all[channel.address()] = channel.operations().all().map((operation) => operation.action()).sort();
    const parameters = [...channel.address().matchAll(/\{([^}]+)\}/g)].map(([, name]) => name);
    assert.deepEqual(channel.parameters().all().map((parameter) => parameter.id()), parameters, channel.address());
    assert.equal(channel.messages().all().length, 1, channel.address());
  }
  return all;
}

describe('the parser takes what stompgw asyncapi prints', () => {
  const standalone = {
    '/topic/{channel}': ['receive'],
    '/session/queue/{name}': ['receive'],
    '/member/queue/{name}': ['receive'],
    '/app/topic/test-channel': ['send'],
    '/app/topic/{channel}': ['send'],
    '/session/queue/request-error': ['receive'],
  };
  for (const [name, more] of [['standalone', { '/presence/topic/{channel}': ['receive'] }], ['kafka', {}], ['nats', {}]]) {
    test(`${name}.yaml`, TIMEOUT, async () => {
      const read = await document('--config', `../../configs/${name}.yaml`);
      assert.deepEqual(operations(read), { ...standalone, ...more });
      assert.deepEqual(read.servers().all().map((server) => [server.id(), server.protocol(), server.pathname()]), [['websocket', 'ws', '/stomp']]);
    });
  }

  test('rules of every kind, in YAML and in JSON', TIMEOUT, async (t) => {
    const dir = await mkdtemp(path.join(tmpdir(), 'stompgw-'));
    t.after(() => rm(dir, { recursive: true }));
    const file = path.join(dir, 'stompgw.yaml');
    await writeFile(file, EVERY_KIND);
    for (const format of ['yaml', 'json']) {
      const read = await document('--config', file, '-o', format, '--title', 'Chat', '--doc-version', '1.2.3');
      assert.deepEqual([read.info().title(), read.info().version()], ['Chat', '1.2.3']);
      assert.deepEqual(operations(read), {
        '/topic/fixed': ['receive', 'send'],
        '/topic/room-{text}': ['receive'],
        '/presence/topic/room-{text}': ['receive'],
        '/topic/r{character}m/{segment_2}/{segment}': ['receive'],
        '/presence/topic/r{character}m/{segment_2}/{segment}': ['receive'],
        '/topic/orders/{member}/{path}': ['receive'],
        '/topic/{segment}/x': ['receive'],
        '/topic/{a_b_2}/{a_b}/y': ['receive'],
        '/topic/a{hash}b c/d': ['receive'],
        '/queue/{path}': ['receive', 'send'],
        '/presence/topic/room-1': ['receive'],
        '/member/queue/{name}': ['receive'],
        '/member/{member}/queue/{name}': ['send'],
        '/session/{path}': ['receive', 'send'],
        '/{path}': ['receive'],
        '/topic/chat': ['receive', 'send'],
        '/app/orders/{id}': ['send'],
        '/app/pay': ['send'],
        '/app/chat': ['send'],
        '/app/{path}/{last}': ['send'],
        '/session/queue/request-error': ['receive'],
      });
      assert.deepEqual(read.servers().all().map((server) => [server.id(), server.protocol(), server.host()]), [['websocket', 'wss', '{host}:13001'], ['tcp', 'stomps', '{host}:61613']]);
      const secured = read.operations().all().filter((operation) => operation.security().length > 0).map((operation) => operation.id());
      assert.equal(secured.length, 8, `these ask for a login: ${secured}`);
      const chat = (address) => read.channels().all().find((channel) => channel.address() === address).messages().all()[0].payload().json();
      assert.deepEqual(chat('/app/chat'), chat('/topic/chat'));
      const backends = Object.fromEntries(read.components().channels().all().map((channel) => [channel.address(), channel.messages().all()[0]]));
      assert.deepEqual(Object.keys(backends), ['payments', 'chat-in']);
      assert.deepEqual(backends['chat-in'].payload().json(), chat('/topic/chat'));
      assert.ok(backends.payments.headers().properties()['stomp-principal']);
    }
  });
});
