// Client libraries over SockJS in Chromium, in a page of the gateway's origin and in one of another
// site: large messages, and streams that end at their limit and go on.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { launch } from './browser.js';
import { Gateway } from './gateway.js';
import { converse, LIBRARIES, openLibraries } from './libraries.js';
import { TRANSPORTS } from './reference.js';

const TIMEOUT = { timeout: 60_000 };
const STREAM_LIMIT = 128 * 1024; // bytes after which the gateway ends a stream
const UNDER_WAY = 32; // messages, see clients.js

// BODY has 60,000 characters, which are just under limits.message, and all that SockJS, JSON and
// sockjs-client treat as something special. The older libraries end a frame at each NUL.
const SPECIAL = 'ü🍵\u2028\u200c\ufff0"\\\'/\u0001\b\t\n\v\f\r\u001f\u007f<&>%41%zz</script>';
const BODY = `${SPECIAL}${'x'.repeat(100 - SPECIAL.length)}`.repeat(600);

let browser, gateway, other;
const pages = {};
const lastly = [];

before(async () => {
  browser = await launch();
  other = createServer((_, response) => response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>Other</title>'));
  other.listen(0, 'localhost');
  await once(other, 'listening');
  const origin = `http://localhost:${other.address().port}`;
  gateway = await Gateway.start({ after: (end) => lastly.push(end) }, { env: { STOMPGW_ORIGINS: origin } });
  pages['the same origin'] = await openLibraries(browser, `${gateway.page}stomp`);
  pages['another site'] = await openLibraries(browser, origin);
});

after(async () => {
  await browser?.close();
  other?.close();
  for (const end of lastly) await end();
});

function talk(where, library, transport, destination, bodies) {
  return converse(pages[where], library, `${gateway.page}stomp`, transport, destination, bodies);
}

for (const library of LIBRARIES) {
  for (const where of ['the same origin', 'another site']) {
    describe(`a large message with ${library} in a page of ${where}`, () => {
      for (const { transport, sameOrigin } of TRANSPORTS) {
        if (sameOrigin && where !== 'the same origin') continue;
        test(transport, TIMEOUT, async () => {
          const body = library === 'stompjs 7' ? BODY.replace('x', '\0') : BODY;
          const got = await talk(where, library, transport, '/topic/large', [body]);
          assert.equal(got.transport, transport);
          assert.equal(got.heard.length, 1);
          assert.ok(got.heard[0] === body, 'what came is what was sent');
        });
      }
    });
  }
}

describe('a stream ends at its limit and goes on, without a loss', () => {
  for (const { transport } of TRANSPORTS.filter(({ transport }) => /^(xhr-streaming|eventsource|htmlfile)$/.test(transport))) {
    test(transport, TIMEOUT, async () => {
      const size = 2000;
      const bodies = Array.from({ length: 400 }, (_, i) => String(i).padEnd(size, 'x'));
      const page = pages['the same origin'];
      const before = page.streams;
      const { heard } = await talk('the same origin', 'stompjs 7', transport, '/topic/stream', bodies);
      assert.deepEqual(heard, bodies, 'all of them, once and in order');
      const most = STREAM_LIMIT + UNDER_WAY * size; // of the messages that one stream can have brought
      const streams = page.streams - before;
      assert.ok(streams >= (bodies.length * size) / most, `only ${streams} streams`);
    });
  }
});
