// The page of the replaced system in a tab of its own.
import assert from 'node:assert/strict';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

export const DISK = pathToFileURL(path.resolve('../reference.html')).href;

// TRANSPORTS of sockjs-client, with the names that the gateway has for them. A page from disk has no
// domain, so there sockjs-client does without XHR; htmlfile it takes for its own origin alone.
export const TRANSPORTS = [
  { transport: 'websocket', listed: 'sockjs-websocket', fromDisk: true },
  { transport: 'xhr-streaming', listed: 'xhr-streaming' },
  { transport: 'eventsource', listed: 'eventsource', fromDisk: true },
  { transport: 'iframe-eventsource', listed: 'eventsource', fromDisk: true },
  { transport: 'htmlfile', listed: 'htmlfile', sameOrigin: true },
  { transport: 'iframe-htmlfile', listed: 'htmlfile', fromDisk: true },
  { transport: 'xhr-polling', listed: 'xhr-polling' },
  { transport: 'iframe-xhr-polling', listed: 'xhr-polling', fromDisk: true },
  { transport: 'jsonp-polling', listed: 'jsonp-polling', fromDisk: true },
];

// OPENING is how long a transport may take to open, in milliseconds: SockJS's own patience of a second
// is short for a busy machine.
const OPENING = '30000';

// LATE are complaints of a page that has disconnected. DISCONNECT may come when the gateway has seen the
// session's stream end already; and a script of jsonp-polling may come when sockjs-client 1.6.1 has
// forgotten the function that it calls.
const LATE = /404.*\/(xhr|jsonp)_send|_jp\.\w+ is not a function/;

export class Reference {
  // open opens the page at url, which has what the gateway has to be asked for: transports and, from
  // disk, gateway. The end of the test t closes it.
  static async open(t, browser, url, query = {}, look = {}) {
    const context = await browser.newContext(look);
    t.after(() => context.close());
    await context.addInitScript(keepClient);
    const reference = new Reference();
    reference.tab = await context.newPage();
    reference.complaints = []; // errors and blocked loads so far
    const complain = (text) => LATE.test(text) || reference.complaints.push(text);
    reference.tab.on('pageerror', (err) => complain(String(err)));
    reference.tab.on('console', (said) => said.type() === 'error' && complain(`${said.text()} ${said.location().url}`));
    await reference.tab.goto(`${url}?${new URLSearchParams({ timeout: OPENING, ...query })}`);
    return reference;
  }

  async connect() {
    await this.tab.getByRole('button', { name: 'Connect', exact: true }).click();
    await this.tab.locator('#state:not([data-state="connecting"])').waitFor();
    const notice = await this.tab.locator('#notice').innerText();
    assert.equal(await this.state(), 'connected', notice);
    assert.equal(notice, '');
  }

  async disconnect() {
    await this.tab.getByRole('button', { name: 'Disconnect' }).click();
    assert.equal(await this.state(), 'disconnected');
  }

  state() {
    return this.tab.locator('#state').getAttribute('data-state');
  }

  // transport is the one that SockJS says it uses.
  async transport() {
    return (await this.tab.locator('#state').innerText()).replace('Connected over ', '');
  }

  // node names the one that the page is connected to.
  async node() {
    const principal = await this.tab.evaluate(() => window.greeting['user-name']);
    return principal.split('/').slice(0, 2).join('/');
  }

  async send(text) {
    await this.tab.getByLabel('Text').fill(text);
    await this.tab.getByRole('button', { name: 'Send' }).click();
    assert.equal(await this.tab.getByLabel('Text').inputValue(), '');
  }

  // hears waits until the page shows a message that ends with text.
  async hears(text) {
    await this.tab.locator('#messages li').filter({ hasText: text }).waitFor();
  }

  heard() {
    return this.tab.locator('#messages li').allTextContents();
  }

  // noteClose makes closeCode tell with which code the connection that is there ended.
  noteClose() {
    return this.tab.evaluate(() => window.client.ws.addEventListener('close', ({ code }) => (window.closeCode = code)));
  }

  closeCode() {
    return this.tab.evaluate(() => window.closeCode);
  }

  // beRefused sends what nobody may, and waits until the page shows what the gateway says to it.
  async beRefused() {
    const refusals = this.tab.locator('#errors li').filter({ hasText: /^NOWHERE: error \d+$/ });
    const before = await refusals.count();
    await this.tab.evaluate(() => window.client.send('/nowhere', { 'client-request-code': 'NOWHERE' }, '{}'));
    await refusals.nth(before).waitFor();
  }
}

// keepClient runs in the page before its scripts, and keeps the client of stomp.js and the headers of
// its last CONNECTED where a test finds them.
function keepClient() {
  let library;
  Object.defineProperty(window, 'Stomp', {
    get: () => library,
    set(value) {
      library = value;
      const { over } = value;
      value.over = (socket) => {
        window.client = over.call(value, socket);
        const { connect } = window.client;
        window.client.connect = function (headers, connected, failed) {
          const greeted = (frame) => {
            window.greeting = frame.headers;
            connected(frame);
          };
          connect.call(this, headers, greeted, failed);
        };
        return window.client;
      };
    },
  });
}
