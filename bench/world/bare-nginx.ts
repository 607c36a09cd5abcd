import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KeymillError } from '../../runtime/errors.ts';
import { reserveAnyPort } from '../../scripts/servers/ports.ts';
import { startServer } from '../../scripts/servers/process.ts';
import type { Answer } from '../load/connection.ts';
import { bareEnvironment } from '../servers/environment.ts';
import { askOnce, askUntilServed, compareShapes, headersOf, keepAliveSecondsOf, shapeOf } from './answers.ts';
import type { BareHttp } from './bare-http.ts';

const NGINX = 'nginx';
const READY_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 5_000;
/** nginx ends a connection after 1,000 requests unless it is told otherwise. This is the highest value. */
const KEEP_ALIVE_REQUESTS = 2_147_483_647;
/** All that nginx may send beyond the mapper's headers. It cannot be left out. */
const OWN_HEADER = 'Server: nginx';

/**
 * Asks the mapper for a redirect and starts a private nginx of one process whose `return 302` has the same
 * headers. Only two things differ, and nginx cannot leave them out: its reason is `Moved Temporarily`, and it
 * sends `Server: nginx`, 27 bytes together.
 *
 * @param path of a link on the mapper
 * @param dir where the folder of its configuration is made; whoever owns it removes it
 * @throws KeymillError when its answer differs in more, or nginx is missing or does not start
 */
export async function startBareNginx(
  mapperUrl: string,
  path: string,
  { dir: parent, signal }: { readonly dir: string; readonly signal: AbortSignal },
): Promise<BareHttp> {
  const redirect = await askUntilServed(mapperUrl, path, signal);
  const dir = join(parent, 'nginx');
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const reserved = await reserveAnyPort();
  const { port } = reserved;
  const url = `http://127.0.0.1:${port}`;
  const configFile = join(dir, 'nginx.conf');
  await writeFile(configFile, nginxConfig(redirect, port), { mode: 0o600 });
  try {
    const server = await startServer({
      id: 'nginx',
      port,
      command: NGINX,
      args: ['-p', dir, '-c', configFile],
      cwd: dir,
      logFile: join(dir, 'nginx.log'),
      dieWithParent: true,
      probe: async () =>
        askOnce(url, path).then(
          ({ status }) => status === redirect.status,
          () => false,
        ),
      readyTimeoutMs: READY_TIMEOUT_MS,
      stopTimeoutMs: STOP_TIMEOUT_MS,
      env: bareEnvironment(),
      signal,
    });
    try {
      compareShapes('nginx', redirect, await askOnce(url, path), withoutOwn);
    } catch (error) {
      await server.stop();
      throw error;
    }
    return { url, pid: server.pid, [Symbol.asyncDispose]: async () => server.stop() };
  } finally {
    reserved.release();
  }
}

/** The version of the nginx that {@link startBareNginx} starts, such as `1.22.1`. */
export function nginxVersion(): string {
  return /nginx\/(\S+)/.exec(spawnSync(NGINX, ['-v'], { encoding: 'utf8' }).stderr)?.[1] ?? 'unknown';
}

/** The shape without the reason of the status and without nginx's own header. */
function withoutOwn(answer: Answer): readonly string[] {
  const [, ...others] = shapeOf(answer);
  return [String(answer.status), ...others.filter((line) => line !== OWN_HEADER)];
}

/**
 * One process, which is a worker without a master: measured, both cost the same CPU. The page of HTML that
 * `return 302` has in nginx is replaced by an empty body. That costs nginx 1 % more CPU than the page.
 *
 * @throws KeymillError for a header that the configuration cannot express
 */
export function nginxConfig(redirect: Answer, port: number): string {
  const headers = headersOf(redirect);
  const location = headers.find(([name]) => name.toLowerCase() === 'location')?.[1] ?? '';
  const others = headers.filter(([name]) => name.toLowerCase() !== 'location');
  const keepAliveS = keepAliveSecondsOf(redirect);
  return `daemon off;
master_process off;
worker_processes 1;
pid nginx.pid;
error_log stderr warn;
events {
  worker_connections 1024;
}
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server_tokens off;
  default_type "";
  keepalive_timeout ${keepAliveS}s ${keepAliveS}s;
  keepalive_requests ${KEEP_ALIVE_REQUESTS};
${others.map(([name, value]) => `  add_header ${name} ${quote(value)};\n`).join('')}  server {
    listen 127.0.0.1:${port} backlog=1024;
    error_page 302 /empty;
    location / {
      return 302 ${quote(location)};
    }
    location = /empty {
      internal;
      return 200 "";
    }
  }
}
`;
}

function quote(value: string): string {
  if (value.includes('$'))
    throw new KeymillError('BENCH_FAILED', `nginx would take a $ for a variable: ${value}`);
  return `"${value.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}
