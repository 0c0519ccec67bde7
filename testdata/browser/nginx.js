// The page of the replaced system, and the client libraries, through a proxy in front of two nodes,
// whose address is $PROXY. The test that starts them all runs this file: TestNginx of cmd/stompgw.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from './browser.js';
import { converse, LIBRARIES, openLibraries } from './libraries.js';
import { DISK, Reference, TRANSPORTS } from './reference.js';

const TIMEOUT = { timeout: 120_000 };
const TRIES = 50; // until a session is on the node that is wanted; each has an even chance
const gateway = process.env.PROXY;

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

for (const { transport, fromDisk } of TRANSPORTS) {
  test(`two nodes chat over ${transport}`, TIMEOUT, async (t) => {
    const ann = await Reference.open(t, browser, `${gateway}reference.html`, { transports: transport });
    const bob = fromDisk
      ? await Reference.open(t, browser, DISK, { gateway, transports: transport })
      : await Reference.open(t, browser, `${gateway}reference.html`, { transports: transport });
    await ann.connect();
    await connectApart(bob, ann);
    for (const page of [ann, bob]) await page.beRefused(); // then its SUBSCRIBEs, which came before, have taken effect

    const said = [`Tea at four over ${transport}?`, `Coming! ${transport}`];
    await ann.send(said[0]);
    await Promise.all([ann.hears(said[0]), bob.hears(said[0])]);
    await bob.send(said[1]);
    await Promise.all([ann.hears(said[1]), bob.hears(said[1])]);
    for (const page of [ann, bob]) {
      assert.equal(await page.transport(), transport);
      assert.equal((await page.heard()).length, said.length, 'each message once');
      await page.disconnect();
      assert.deepEqual(page.complaints, []);
    }
  });
}

// Each session is on one of the nodes by chance, and what it sends comes back by way of Kafka.
for (const library of LIBRARIES) {
  test(`${library} over every transport`, TIMEOUT, async () => {
    const page = await openLibraries(browser, `${gateway}stomp`);
    for (const { transport } of TRANSPORTS) {
      const chats = Array.from({ length: 20 }, (_, i) => `${i} 🍵 over ${transport}`);
      const bodies = chats.map((chat) => JSON.stringify({ chat }));
      const got = await converse(page, library, `${gateway}stomp`, transport, '/topic/test-channel', bodies, '/app/topic/test-channel');
      assert.equal(got.transport, transport);
      assert.deepEqual(got.heard.map((body) => JSON.parse(body).content), chats, 'all of them, once and in order');
    }
  });
}

// connectApart connects a page to another node than the one that has the other page.
async function connectApart(page, other) {
  for (let tries = 0; tries < TRIES; tries++) {
    await page.connect();
    if ((await page.node()) !== (await other.node())) return;
    await page.disconnect();
  }
  assert.fail('all sessions are on one node');
}
