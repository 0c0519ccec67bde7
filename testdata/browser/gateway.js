// A stompgw process of its own for each test, on free loopback ports.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const DEADLINE = 30_000; // milliseconds until a wait for the gateway is given up
const binary = path.resolve(process.env.STOMPGW ?? '../../bin/stompgw');

// The catalogue under test: rooms that anyone may enter, and one that nobody may.
const RULES = `
channels:
  - { match: /topic/closed, subscribe: "false", send: "false" }
  - { match: "/topic/{room}", subscribe: "true", send: "true" }
routes:
  - { match: "/app/topic/{room}", allow: "true", publish: "/topic/{room}" }
drain: { duration: 1s }
`;

export class Gateway {
  // start runs a gateway and waits until it is ready: with a configuration file of its own, or, if
  // config is null, with the one that comes with the program. Variables of the environment win over
  // both. The test t ends it, and fails if it complained.
  static async start(t, { config = RULES, env = {} } = {}) {
    const gateway = new Gateway();
    gateway.dir = await mkdtemp(path.join(tmpdir(), 'stompgw-'));
    t.after(() => gateway.#end());
    const [listen, admin, redis, nats] = (await freePorts(4)).map((port) => `127.0.0.1:${port}`);
    const ports = { LISTEN: listen, ADMIN_LISTEN: admin, EMBEDDED_REDIS: redis, EMBEDDED_NATS: nats };
    gateway.env = { ...process.env, ...env };
    for (const [name, value] of Object.entries(ports)) gateway.env[`STOMPGW_${name}`] = value;
    gateway.args = ['--standalone'];
    if (config !== null) {
      const file = path.join(gateway.dir, 'stompgw.yaml');
      await writeFile(file, config);
      gateway.args.push('--config', file);
    }
    gateway.page = `http://${listen}/`;
    gateway.stomp = `ws://${listen}/stomp`;
    gateway.admin = `http://${admin}`;
    gateway.said = ''; // what all its processes wrote
    await gateway.run();
    return gateway;
  }

  // run starts the process: the first one, or the next on the same ports after a kill.
  async run() {
    this.process = spawn(binary, ['serve', ...this.args], { env: this.env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.exited = once(this.process, 'close');
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (this.said += text));
    }
    const ended = this.exited.then(() => assert.fail(`the gateway ended at once:\n${this.said}`));
    const ready = async () => assert.equal((await fetch(`${this.admin}/readyz`)).status, 200, 'readyz');
    await Promise.race([eventually(ready), ended]);
  }

  // stop sends a signal and returns how the process ended: { code, signal }.
  async stop(name) {
    this.process.kill(name);
    const [code, signal] = await this.exited;
    return { code, signal };
  }

  // cli runs one command of the binary against this gateway and returns its standard output.
  async cli(...args) {
    const env = { ...this.env, GORACE: 'atexit_sleep_ms=0' }; // or a race detector waits for a second at the end
    const { stdout } = await promisify(execFile)(binary, [...args, ...this.args], { env });
    return stdout;
  }

  // token makes one that the gateway takes, if it is not asked for another.
  async token(...args) {
    return (await this.cli('token', 'gen', ...args)).trim();
  }

  // list returns all sessions as the command line lists them.
  async list() {
    return JSON.parse(await this.cli('sessions', 'list', '-o', 'json'));
  }

  // sessions returns the keys of all sessions, in order.
  async sessions() {
    return (await this.list()).map(({ key }) => key).sort();
  }

  async #end() {
    if (this.process && this.process.exitCode === null && this.process.signalCode === null) {
      await this.stop('SIGKILL');
    }
    await rm(this.dir, { recursive: true });
    assert.doesNotMatch(this.said ?? '', /DATA RACE|panic:/, 'the gateway complained');
  }
}

// eventually runs check until it passes, for what only asking can tell.
export async function eventually(check) {
  const deadline = Date.now() + DEADLINE;
  for (;;) {
    try {
      return await check();
    } catch (err) {
      if (Date.now() > deadline) throw err;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

// freePorts returns ports below those that systems give to outgoing connections, so that none of
// them is taken while a killed gateway is away.
async function freePorts(n) {
  const ports = new Set();
  while (ports.size < n) {
    const port = 15_000 + Math.floor(Math.random() * 15_000);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
