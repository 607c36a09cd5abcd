import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { serveParent } from '../load/child.ts';

/*
 * What Node alone can do with a picture that is posted: writes each piece of the body into a new file,
 * flushes it to the disk, and answers 201. Nothing is checked, hashed or named.
 */
let stored = 0;

async function serve(folder: string): Promise<{ port: number }> {
  const server = createServer({ noDelay: true }, (request, response) => {
    void store(request, join(folder, String(stored++))).then(
      (bytes) => response.writeHead(201, { 'content-type': 'application/json' }).end(`{"bytes":${bytes}}`),
      () => response.writeHead(500).end(),
    );
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1_024 });
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port };
}

async function store(request: IncomingMessage, path: string): Promise<number> {
  await using file = await open(path, 'wx');
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    await file.write(piece);
    bytes += piece.length;
  }
  await file.datasync();
  return bytes;
}

serveParent(async (folder) => serve(folder as string));
