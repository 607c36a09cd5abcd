import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serveParent } from '../load/child.ts';

/* What Node alone can do with files: pipes each into its answer. A process of its own, like a mapper. */

export interface BareFiles {
  /** By path. */
  readonly files: Readonly<Record<string, string>>;
  /** Header names and values in turn, without those that Node sets. */
  readonly headers: readonly string[];
  /** Of each file. */
  readonly bytes: number;
  readonly keepAliveTimeoutMs: number;
}

async function serve({ files, headers, bytes, keepAliveTimeoutMs }: BareFiles): Promise<{ port: number }> {
  const all = [...headers, 'Content-Length', String(bytes)];
  const server = createServer(
    { keepAliveTimeout: keepAliveTimeoutMs, noDelay: true },
    (request, response) => {
      const file = files[request.url ?? ''];
      if (file === undefined) response.writeHead(404).end();
      else createReadStream(file).pipe(response.writeHead(200, all));
    },
  );
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1_024 });
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port };
}

serveParent(async (files) => serve(files as BareFiles));
