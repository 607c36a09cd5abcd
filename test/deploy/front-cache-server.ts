import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { userInfo } from 'node:os';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';
import { reserveAnyPort } from '../../scripts/servers/ports.ts';
import { startServer, type RunningServer } from '../../scripts/servers/process.ts';
import { testFolder } from '../servers.ts';

/** The front cache of deploy/front-cache, a real nginx, in a folder of its own. */
export interface FrontCacheServer extends AsyncDisposable {
  readonly url: string;
  readonly server: RunningServer;
}

let started = 0;

/**
 * @param behind `host:port` of what it caches
 * @param token of refreshes
 */
export async function startFrontCache(behind: string, token: string): Promise<FrontCacheServer> {
  const folder = join(testFolder(), `front-cache-${(started += 1)}`);
  await mkdir(folder, { recursive: true });
  const tokenFile = join(folder, 'token');
  await writeFile(tokenFile, `${token}\n`, { mode: 0o600 });
  using port = await reserved();
  const url = `http://127.0.0.1:${port.port}`;
  const server = await startServer({
    id: 'front-cache',
    port: port.port,
    command: 'sh',
    args: [join(REPOSITORY, 'deploy/front-cache/start.sh')],
    logFile: join(folder, 'nginx.log'),
    dieWithParent: true,
    env: {
      PATH: withNginx(),
      FRONT_CACHE_RUN: join(folder, 'run'),
      FRONT_CACHE_DIR: join(folder, 'cache'),
      FRONT_CACHE_TOKEN_FILE: tokenFile,
      FRONT_CACHE_BYTES: '64m',
      // Nothing is looked up: what is behind it is an address.
      FRONT_CACHE_RESOLVER: '127.0.0.1',
      FRONT_CACHE_BEHIND: behind,
      FRONT_CACHE_LISTEN: `127.0.0.1:${port.port}`,
      FRONT_CACHE_USER: userInfo().username,
    },
    probe: async () =>
      fetch(url).then(
        async (answer) => answer.arrayBuffer().then(() => true),
        () => false,
      ),
    readyTimeoutMs: 10_000,
    stopTimeoutMs: 5_000,
  });
  return { url, server, [Symbol.asyncDispose]: async () => server.stop() };
}

async function reserved(): Promise<{ readonly port: number } & Disposable> {
  const found = await reserveAnyPort();
  return { port: found.port, [Symbol.dispose]: () => found.release() };
}

/** The launchers unpack nginx into `.run`, where it is missing. */
function withNginx(): string {
  const unpacked = join(REPOSITORY, '.run/nginx/usr/sbin');
  const path = `${process.env['PATH'] ?? ''}${delimiter}/usr/sbin`;
  return existsSync(unpacked) ? `${path}${delimiter}${unpacked}` : path;
}
