import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium, type Browser } from 'playwright-core';
import { stopAtEnd } from '../servers.ts';

/** Debian's name first. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

/*
 * `*.test` is this machine, where tests have servers of other sites. Nothing else but this machine can be
 * reached, so no test depends on the network, and a request to a stranger fails as it is made.
 */
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-dev-shm-usage',
  '--force-color-profile=srgb',
  '--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];

let started: Promise<Browser> | undefined;

/** The one Chromium of this run. It starts when a test first needs it, and stops after the last test. */
export async function testBrowser(): Promise<Browser> {
  started ??= (async () => {
    const browser = await chromium.launch({ executablePath: findChromium(), args: ARGS });
    await stopAtEnd(Promise.resolve({ stop: async () => browser.close() }));
    return browser;
  })();
  return started;
}

/** @throws Error that says how to get one */
function findChromium(): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  for (const name of NAMES)
    for (const folder of folders) {
      const path = join(folder, name);
      if (isExecutable(path)) return path;
    }
  throw new Error('there is no Chromium; ./scripts/test installs it (on Debian: apt-get install chromium)');
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
