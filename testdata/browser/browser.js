// A headless Chromium, which the tests of one file share.
import { mkdir } from 'node:fs/promises';
import { chromium } from 'playwright-core';

export const SCREENSHOTS = '../../bin/screenshots';

// FAR is a name of this machine that browsers don't trust as they trust its own: pages from there are
// treated like those of any server without TLS.
export const FAR = 'far.test';

export async function launch() {
  await mkdir(SCREENSHOTS, { recursive: true });
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox', // CI runs as root; the pages are our own
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      `--host-resolver-rules=MAP ${FAR} 127.0.0.1`,
    ],
  });
}
