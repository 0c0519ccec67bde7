// A page that has all the client libraries, and clients.js and session.js to use them.

export const LIBRARIES = ['stompjs 7', 'webstomp-client', 'stomp.js 2.3.3'];

const SCRIPTS = [
  'node_modules/sockjs-client/dist/sockjs.min.js',
  'node_modules/@stomp/stompjs/bundles/stomp.umd.min.js',
  'node_modules/webstomp-client/dist/webstomp.min.js',
  'node_modules/stompjs/lib/stomp.min.js',
  'clients.js',
  'session.js',
];

// openLibraries opens a page at url, whose own content does not matter. Its streams counts the requests
// that stream so far.
export async function openLibraries(browser, url) {
  const page = await (await browser.newContext({ bypassCSP: true })).newPage();
  page.streams = 0;
  page.on('request', (request) => {
    if (/\/(xhr_streaming|eventsource|htmlfile)(\?|$)/.test(request.url())) page.streams++;
  });
  await page.goto(url);
  for (const script of SCRIPTS) await page.addScriptTag({ path: script });
  return page;
}

// converse has a page subscribe, send and hear, see clients.js.
export function converse(page, ...args) {
  return page.evaluate((list) => window.converse(...list), args);
}
