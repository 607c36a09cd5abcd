import type { IncomingMessage, ServerResponse } from 'node:http';
import getRawBody from 'raw-body';
import type { AdminPath } from '../admin-policy.ts';
import { pause } from '../retry.ts';
import { cookieOf, hasCookie, isToken, noCookieOf, type Door } from './access.ts';
import { readAssets, type Asset, type Assets } from './assets.ts';
import { Feed, type FeedOptions } from './feed.ts';
import { LivePages, STREAM_HEADERS } from './live-pages.ts';
import { dashboardPage, loginPage, refusalPage } from './page.ts';
import { ASSETS_PATH, dashboardPathOf } from './paths.ts';
import type { Reporting } from './reports.ts';
import { draw, Screen } from './screen.ts';
import type { Facts, Report } from './seen.ts';
import type { Source } from './source.ts';
import type { Timeline } from './timeline.ts';

export interface DashboardOptions extends Pick<FeedOptions, 'lingerMs'> {
  readonly facts: Facts;
  /** `KEYMILL_ADMIN_TOKEN`. Without it nobody may look. */
  readonly token: string | undefined;
  /** What is read while somebody looks. */
  readonly sources: readonly Source[];
  /** What this process has seen happen. */
  readonly timeline: Timeline;
  /** What this process says about itself. */
  readonly report: Reporting;
}

/** The first page waits this long for the parts of the cluster. Which did not answer, it says. */
const FIRST_LOOK_MS = 2_500;
const MAX_FORM_BYTES = 4_096;

/**
 * The dashboard of an admin port: a page of the whole cluster as this process sees it, drawn by the server.
 * A script keeps it up to date by server-sent events.
 *
 * Its paths are open for the policy of the port: they ask for a cookie, or for the token as programs send it.
 */
export class Dashboard implements AsyncDisposable {
  readonly #options: DashboardOptions;
  readonly #feed: Feed;
  readonly #pages: LivePages;
  #assets: Assets | undefined;

  constructor(options: DashboardOptions) {
    const { facts, sources, timeline, lingerMs } = options;
    this.#options = options;
    this.#feed = new Feed({ sources, timeline, lingerMs });
    this.#pages = new LivePages({ facts, feed: this.#feed });
  }

  /** What a path of the dashboard offers; undefined if it is none. */
  pathOf(path: string): AdminPath | undefined {
    return dashboardPathOf(path);
  }

  /** For the dashboards of other processes. @param mark of the last report that the asker has got */
  async report(mark?: string): Promise<Report> {
    return this.#options.report(mark);
  }

  /** Answers a request that the policy of the port has allowed. */
  async answer(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    if (path.startsWith(ASSETS_PATH)) return this.#sendAsset(request, response, path);
    const { token } = this.#options;
    const port = request.socket.localPort;
    if (token === undefined || port === undefined)
      return this.#sendPage(
        response,
        403,
        refusalPage(
          'No dashboard here',
          'KEYMILL_ADMIN_TOKEN is not set in this process, so nobody may look. Set it, in all processes of the cluster, and start them again.',
          this.#files.paths,
        ),
      );
    const door = { token, port };
    if (path === '/dashboard/login') return this.#signIn(request, response, door);
    const isIn = hasCookie(door, request.headers.cookie) || hasBearer(door, request);
    if (path === '/dashboard/logout') return this.#signOut(response, door, isIn);
    if (path === '/dashboard/events') return this.#stream(request, response, isIn);
    return isIn ? this.#show(response) : this.#askIn(request, response);
  }

  /** Ends the open pages, and closes what they have read from. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#pages.close();
    await this.#feed[Symbol.asyncDispose]();
  }

  get #files(): Assets {
    this.#assets ??= readAssets();
    return this.#assets;
  }

  async #signIn(request: IncomingMessage, response: ServerResponse, door: Door): Promise<void> {
    const body = await getRawBody(request, { limit: MAX_FORM_BYTES, encoding: 'utf8' }).catch(() => '');
    const given = new URLSearchParams(body).get('token') ?? '';
    if (!isToken(door, given)) return redirect(response, '/dashboard?refused', {});
    return redirect(response, '/dashboard', { 'set-cookie': cookieOf(door) });
  }

  /**
   * Also ends what is open in other tabs: they ask again, and are refused. All browsers have the same cookie,
   * so the pages of others are ended too, and they open theirs again within a second.
   */
  #signOut(response: ServerResponse, door: Door, isIn: boolean): void {
    if (isIn) this.#pages.endAll();
    redirect(response, '/dashboard', { 'set-cookie': noCookieOf(door) });
  }

  #askIn(request: IncomingMessage, response: ServerResponse): void {
    const wasRefused = (request.url ?? '').endsWith('?refused');
    const fault = wasRefused
      ? 'That is not the token of this process. Type the value of KEYMILL_ADMIN_TOKEN.'
      : undefined;
    this.#sendPage(response, 200, loginPage(this.#options.facts, this.#files.paths, fault));
  }

  async #show(response: ServerResponse): Promise<void> {
    const { facts } = this.#options;
    using looking = this.#feed.look();
    const enough = new AbortController();
    await Promise.race([looking.first, pause(FIRST_LOOK_MS, enough.signal).catch(() => undefined)]);
    enough.abort();
    const now = new Date();
    const events = this.#feed.timeline.all();
    const { blocks } = draw(new Screen(facts).blocksOf(this.#feed.seen, events, now.getTime()));
    const drawn = [...blocks.values()].map(({ whole }) => whole()).join('\n');
    this.#sendPage(response, 200, dashboardPage(facts, this.#files.paths, drawn, now.toISOString()));
  }

  #stream(request: IncomingMessage, response: ServerResponse, isIn: boolean): void {
    if (!isIn) return sendText(response, 401, 'sign in at /dashboard', {});
    if (!this.#pages.hasRoom)
      return sendText(response, 503, 'as many pages are open as may be: close one', { 'retry-after': '10' });
    if (request.method === 'HEAD') response.writeHead(200, STREAM_HEADERS).end();
    else this.#pages.open(response);
  }

  #sendAsset(request: IncomingMessage, response: ServerResponse, path: string): void {
    const asset = this.#files.all.find((one) => one.path === path);
    if (asset === undefined) return sendText(response, 404, 'no such file', {});
    const { encoding, body } = encode(asset, request.headers['accept-encoding'] ?? '');
    response
      .writeHead(200, {
        'content-type': asset.type,
        'content-length': body.length,
        ...(encoding !== undefined && { 'content-encoding': encoding }),
        vary: 'accept-encoding',
        'cache-control': 'public, max-age=31536000, immutable',
        ...SAFE,
      })
      .end(body);
  }

  #sendPage(response: ServerResponse, status: number, page: string): void {
    response
      .writeHead(status, {
        'content-type': 'text/html; charset=utf-8',
        'cache-control': 'no-store',
        'content-security-policy': POLICY,
        'cross-origin-opener-policy': 'same-origin',
        // With no-referrer, Chromium sends forms with "Origin: null", which the policy refuses.
        'referrer-policy': 'same-origin',
        'x-frame-options': 'DENY',
        ...SAFE,
      })
      .end(page);
  }
}

/** Nothing but our own files, nothing inline, in no frame. */
const POLICY =
  "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const SAFE = { 'x-content-type-options': 'nosniff', 'cross-origin-resource-policy': 'same-origin' } as const;

function hasBearer(door: Door, { headers }: IncomingMessage): boolean {
  const given = /^bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1];
  return given !== undefined && isToken(door, given);
}

function encode(
  { plain, gzip, brotli }: Asset,
  accepted: string,
): { readonly encoding?: 'br' | 'gzip'; readonly body: Buffer } {
  if (/\bbr\b/.test(accepted)) return { encoding: 'br', body: brotli };
  return /\bgzip\b/.test(accepted) ? { encoding: 'gzip', body: gzip } : { body: plain };
}

function redirect(
  response: ServerResponse,
  location: string,
  headers: Readonly<Record<string, string>>,
): void {
  response.writeHead(303, { location, 'cache-control': 'no-store', ...headers }).end();
}

function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>>,
): void {
  response
    .writeHead(status, {
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'no-store',
      ...SAFE,
      ...headers,
    })
    .end(`${text}\n`);
}
