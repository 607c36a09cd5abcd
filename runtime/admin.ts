import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import getRawBody from 'raw-body';
import { digestOf, refusalOf, type AdminAccess, type AdminPath, type Refusal } from './admin-policy.ts';
import { createAdminServer } from './admin-server.ts';
import type { AdminConfig } from './config/admin.ts';
import { codeOf, KeymillError, messageOf } from './errors.ts';
import { parseJson } from './json.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import { createPacedPage } from './paced-page.ts';

/** The body of `/readyz`. `ok` decides between 200 and 503; the other fields are for a person. */
export interface Readiness {
  readonly ok: boolean;
  readonly [detail: string]: unknown;
}

/** The JSON object in the body of a POST; empty for a GET. */
export type AdminBody = Readonly<Record<string, unknown>>;

/**
 * Answers one request with the returned value as JSON. A thrown {@link BadBodyError} becomes a 400, any other
 * {@link KeymillError} a 409, any other error a 500.
 */
export type AdminRoute = (body: AdminBody, query: URLSearchParams) => Promise<unknown>;

/** The body of an admin request is not what the route wants. The message says what would be right. */
export class BadBodyError extends KeymillError {
  readonly status: 400 | 413;

  constructor(expected: string, { status = 400, cause }: { status?: 400 | 413; cause?: unknown } = {}) {
    super('BAD_BODY', `body: expected ${expected}`, { cause });
    this.status = status;
  }
}

/** Pages for people, behind the same policy. They answer by themselves. */
export interface AdminPages extends AsyncDisposable {
  /** Undefined: no page has this path. */
  pathOf(path: string): AdminPath | undefined;
  answer(request: IncomingMessage, response: ServerResponse, path: string): Promise<void>;
}

export interface AdminOptions extends AdminConfig {
  readonly metrics: Pick<Metrics, 'text' | 'contentType'>;
  readonly ready: () => Readiness | Promise<Readiness>;
  /** Keys are `"METHOD /path"`. */
  readonly routes?: Readonly<Record<string, AdminRoute>>;
  /** Closed with the port. */
  readonly pages?: AdminPages;
  readonly log: Log;
}

export interface Admin extends AsyncDisposable {
  readonly url: string;
}

/** Making the page takes some milliseconds of the event loop, and strangers may ask for it. */
const METRICS_EVERY_MS = 100;

const MAX_BODY_BYTES = 64 * 1024;

/** Answered without a token. */
const OPEN_PATHS = ['/livez', '/readyz', '/metrics'] as const;
type OpenPath = (typeof OPEN_PATHS)[number];

/**
 * Starts the admin port of a process: `GET /livez`, `/readyz`, `/metrics` and the given routes. It is for
 * operators only: the default address is loopback, and it is never the public port. `admin-policy` decides
 * who may ask for what.
 *
 * @throws Node's error when the server cannot listen, such as EADDRINUSE
 */
export async function startAdmin(options: AdminOptions): Promise<Admin> {
  const { host, port, token, log } = options;
  if (token === undefined)
    log.warn('KEYMILL_ADMIN_TOKEN is not set: the admin port answers only /livez, /readyz and /metrics');
  const gate = new Gate(options);
  const page = createPacedPage(async () => options.metrics.text(), METRICS_EVERY_MS);
  const answering = { ...options, page };
  const server = createAdminServer((request, response) => {
    answer(answering, gate, request, response).catch((error: unknown) => {
      log.error({ error, url: request.url }, 'admin request failed');
      if (!response.headersSent) sendJson(response, 500, { error: 'internal error' });
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, resolve);
  });
  const { port: boundPort } = server.address() as AddressInfo;
  return {
    url: `http://${reachableHost(host)}:${boundPort}`,
    [Symbol.asyncDispose]: async () => {
      await options.pages?.[Symbol.asyncDispose]();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

/** Our address for others. When bound to all addresses: the first IPv4 one that is not loopback. */
function reachableHost(host: string): string {
  if (host !== '0.0.0.0' && host !== '::') return host.includes(':') ? `[${host}]` : host;
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  return addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1';
}

/** The rules of one admin port: its paths, and who may ask for them. */
class Gate {
  readonly #access: AdminAccess;
  readonly #pages: AdminPages | undefined;
  readonly #paths = new Map<string, AdminPath>(
    OPEN_PATHS.map((path) => [path, { isOpen: true, methods: ['GET'] }]),
  );

  constructor({ host, names, token, routes = {}, pages }: AdminOptions) {
    this.#pages = pages;
    this.#access = {
      names: new Set([host, ...names].map((name) => name.toLowerCase())),
      tokenDigest: token === undefined ? undefined : digestOf(token),
    };
    for (const route of Object.keys(routes)) {
      const [method, path = ''] = route.split(' ');
      const methods = [
        ...(this.#paths.get(path)?.methods ?? []),
        method === 'POST' ? 'POST' : 'GET',
      ] as const;
      this.#paths.set(path, { isOpen: false, methods });
    }
  }

  refusalOf(method: string, path: string, { headers }: IncomingMessage): Refusal | undefined {
    return refusalOf(method, headers, this.#paths.get(path) ?? this.#pages?.pathOf(path), this.#access);
  }
}

/** What answers need. */
type Answering = AdminOptions & { readonly page: () => Promise<string> };

async function answer(
  options: Answering,
  gate: Gate,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [path = '/', query = ''] = (request.url ?? '/').split('?', 2);
  const method = request.method ?? 'GET';
  const refusal = gate.refusalOf(method, path, request);
  if (refusal !== undefined) {
    options.log.debug({ method, path, ...refusal }, 'admin request refused');
    return refuse(response, refusal);
  }
  if (isOpenPath(path)) return answerOpenly(options, path, response);
  if (options.pages?.pathOf(path) !== undefined) return options.pages.answer(request, response, path);
  try {
    const body = method === 'POST' ? await readObject(request) : {};
    const route = options.routes?.[`${method === 'HEAD' ? 'GET' : method} ${path}`];
    sendJson(response, 200, await route?.(body, new URLSearchParams(query)));
  } catch (error) {
    const expected = error instanceof KeymillError;
    if (!expected) options.log.error({ error, path }, 'admin route failed');
    const status = error instanceof BadBodyError ? error.status : expected ? 409 : 500;
    sendJson(response, status, {
      error: expected ? messageOf(error) : 'internal error',
      code: codeOf(error),
    });
  }
}

function isOpenPath(path: string): path is OpenPath {
  return (OPEN_PATHS as readonly string[]).includes(path);
}

async function answerOpenly(options: Answering, path: OpenPath, response: ServerResponse): Promise<void> {
  if (path === '/livez') return sendJson(response, 200, { ok: true });
  if (path === '/readyz') {
    const readiness = await options.ready();
    return sendJson(response, readiness.ok ? 200 : 503, readiness);
  }
  const text = await options.page();
  response.writeHead(200, { 'content-type': options.metrics.contentType }).end(text);
}

/** The body of a refused request stays unread, so the connection is closed. */
function refuse(response: ServerResponse, { status, reason, headers }: Refusal): void {
  sendJson(response, status, { error: reason }, { ...headers, connection: 'close' });
}

/** @throws BadBodyError */
async function readObject(request: IncomingMessage): Promise<AdminBody> {
  const text = await getRawBody(request, { limit: MAX_BODY_BYTES, encoding: 'utf8' }).catch(
    (cause: unknown) => {
      throw new BadBodyError(`at most ${MAX_BODY_BYTES} bytes of UTF-8`, { status: 413, cause });
    },
  );
  const body = parseJson(text);
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new BadBodyError(`a JSON object, such as {}${text === '' ? ', and got nothing' : ''}`);
  return body as AdminBody;
}

function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response
    .writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers })
    .end(`${JSON.stringify(body ?? null)}\n`);
}
