import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Another site, to which links lead and from which attacks come. */
export interface Elsewhere extends AsyncDisposable {
  /** With the port: `elsewhere.test:40001`. */
  readonly host: string;
  /** The address of a page. */
  url(path: string): string;
  /** From now on, this HTML is at a path. Every other path has a page that says that one has arrived. */
  put(path: string, html: string): void;
}

export async function openElsewhere(): Promise<Elsewhere> {
  const pages = new Map<string, string>();
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://elsewhere.test');
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    response.end(pages.get(pathname) ?? '<!doctype html><title>Elsewhere</title><h1>You have arrived</h1>');
  });
  const host = `elsewhere.test:${await listen(server)}`;
  return {
    host,
    url: (path) => `http://${host}${path}`,
    put: (path, html) => pages.set(path, html),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
