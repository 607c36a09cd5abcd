import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What stands behind a front cache in a test, and answers like a mapper. */
export class PicturesOrigin implements AsyncDisposable {
  readonly asked: { readonly method: string; readonly url: string; readonly headers: IncomingHttpHeaders }[] =
    [];
  /** Paths without arguments whose picture was deleted. */
  readonly gone = new Set<string>();
  maxAgeS = 300;
  body = Buffer.from('0123456789');
  /** Resolves before each answer with a picture goes on. */
  hold: Promise<void> = Promise.resolve();
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  static async start(): Promise<PicturesOrigin> {
    const origin = new PicturesOrigin();
    origin.#server.listen(0, '127.0.0.1');
    await once(origin.#server, 'listening');
    return origin;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  urlsAsked(): string[] {
    return this.asked.map(({ method, url }) => `${method} ${url}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    if (url === '/') return void response.end();
    this.asked.push({ method, url, headers });
    const path = url.replace(/\?.*$/, '');
    if (!path.startsWith('/images/')) return void response.end(`passed ${method} ${url}`);
    if (this.gone.has(path)) {
      const body = '{"status":410}';
      response.writeHead(410, { 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' });
      return void response.end(body);
    }
    const kept = { ETag: '"a"', 'Cache-Control': `public, max-age=${this.maxAgeS}`, Vary: 'Origin' };
    if (headers['if-none-match'] === '"a"') {
      response.writeHead(304, kept);
      return void response.end();
    }
    response.writeHead(200, {
      ...kept,
      'Content-Type': 'image/png',
      'Content-Length': this.body.length,
      'X-Request-Id': 'of-one-request',
      'Accept-Ranges': 'bytes',
    });
    response.flushHeaders();
    await this.hold;
    response.end(method === 'HEAD' ? undefined : this.body);
  }
}
