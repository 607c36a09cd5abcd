import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serveParent } from '../load/child.ts';

/*
 * What Node alone can do: answers every GET with a 302, and every POST with a 201 that holds the parsed body.
 * Runs as a process of its own, like a mapper. A message configures its answers; it ends when its channel
 * closes.
 */
export interface BareAnswers {
  /** Header names and values in turn, without those that Node sets. */
  readonly redirect: readonly string[];
  /** Whether the 302 has `Content-Length: 0`. Without it Node sends chunks. */
  readonly hasLength: boolean;
  readonly shorten: readonly string[];
  readonly shortenBody: Readonly<Record<string, unknown>>;
  readonly keepAliveTimeoutMs: number;
}

async function serve(answers: BareAnswers): Promise<{ port: number }> {
  const redirect = [...answers.redirect, ...(answers.hasLength ? ['Content-Length', '0'] : [])];
  const server = createServer(
    { keepAliveTimeout: answers.keepAliveTimeoutMs, noDelay: true },
    (request, response) => {
      if (request.method === 'POST') shorten(answers, request, response);
      else response.writeHead(302, redirect).end();
    },
  );
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1_024 });
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port };
}

function shorten(answers: BareAnswers, request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const text = chunks.length === 1 ? String(chunks[0]) : Buffer.concat(chunks).toString();
    const { long_url } = JSON.parse(text) as { long_url: string };
    const body = JSON.stringify({ ...answers.shortenBody, long_url });
    response
      .writeHead(201, [...answers.shorten, 'Content-Length', String(Buffer.byteLength(body))])
      .end(body);
  });
}

serveParent(async (answers) => serve(answers as BareAnswers));
