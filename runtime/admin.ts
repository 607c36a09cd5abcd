import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import getRawBody from 'raw-body';
import { codeOf, KeymillError, messageOf } from './errors.ts';
import { parseJson } from './json.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';

/** The body of `/readyz`. `ok` decides between 200 and 503; the other fields are for a person. */
export interface Readiness {
  readonly ok: boolean;
  readonly [detail: string]: unknown;
}

/**
 * Answers one JSON request with the returned body. A thrown {@link KeymillError} becomes a 409, any other
 * error a 500.
 */
export type AdminRoute = (body: unknown) => Promise<unknown>;

export interface AdminOptions {
  readonly host: string;
  /** 0 picks a free port; see {@link Admin.url}. */
  readonly port: number;
  readonly metrics: Pick<Metrics, 'text' | 'contentType'>;
  readonly ready: () => Readiness | Promise<Readiness>;
  /** Keys are `"METHOD /path"`. */
  readonly routes?: Readonly<Record<string, AdminRoute>>;
  readonly log: Log;
}

export interface Admin extends AsyncDisposable {
  readonly url: string;
}

const MAX_BODY_BYTES = 64 * 1024;

/**
 * Starts the admin port of a process: `GET /livez`, `/readyz`, `/metrics` and the given routes. It is for
 * operators only: the default address is loopback, and it is never the public port.
 *
 * @throws Node's error when the server cannot listen, such as EADDRINUSE
 */
export async function startAdmin(options: AdminOptions): Promise<Admin> {
  const { host, port, log } = options;
  const server = createServer((request, response) => {
    answer(options, request, response).catch((error: unknown) => {
      log.error({ error, url: request.url }, 'admin request failed');
      if (!response.headersSent) sendJson(response, 500, { error: 'internal error' });
    });
  });
  server.requestTimeout = 5_000;
  server.headersTimeout = 5_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, resolve);
  });
  const { port: boundPort } = server.address() as AddressInfo;
  return {
    url: `http://${reachableHost(host)}:${boundPort}`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Our address for others. When bound to all addresses: the first IPv4 one that is not loopback. */
function reachableHost(host: string): string {
  if (host !== '0.0.0.0' && host !== '::') return host.includes(':') ? `[${host}]` : host;
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  return addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1';
}

async function answer(
  options: AdminOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
  const method = request.method === 'HEAD' ? 'GET' : (request.method ?? 'GET');
  if (method === 'GET' && path === '/livez') return sendJson(response, 200, { ok: true });
  if (method === 'GET' && path === '/readyz') {
    const readiness = await options.ready();
    return sendJson(response, readiness.ok ? 200 : 503, readiness);
  }
  if (method === 'GET' && path === '/metrics') {
    const text = await options.metrics.text();
    response.writeHead(200, { 'content-type': options.metrics.contentType }).end(text);
    return;
  }
  const route = options.routes?.[`${method} ${path}`];
  if (!route) return sendJson(response, 404, { error: `no ${method} ${path} here` });
  try {
    sendJson(response, 200, await route(await readJson(request)));
  } catch (error) {
    const expected = error instanceof KeymillError;
    if (!expected) options.log.error({ error, path }, 'admin route failed');
    sendJson(response, expected ? 409 : 500, {
      error: expected ? messageOf(error) : 'internal error',
      code: codeOf(error),
    });
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const text = await getRawBody(request, { limit: MAX_BODY_BYTES, encoding: 'utf8' }).catch(
    (cause: unknown) => {
      throw new KeymillError('BAD_BODY', `body: at most ${MAX_BODY_BYTES} bytes of UTF-8`, { cause });
    },
  );
  if (text === '') return undefined;
  const body = parseJson(text);
  if (body === undefined) throw new KeymillError('BAD_JSON', 'body: not JSON');
  return body;
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response
    .writeHead(status, { 'content-type': 'application/json; charset=utf-8' })
    .end(`${JSON.stringify(body ?? null)}\n`);
}
