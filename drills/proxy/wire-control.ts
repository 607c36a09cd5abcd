import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { z } from 'zod';
import { messageOf } from '../../runtime/errors.ts';
import { parseJsonAs } from '../../runtime/json-schema.ts';
import type { FaultyProxy } from './proxy.ts';

/**
 * A fault of the network in front of one server, as the methods of {@link FaultyProxy} describe it.
 * `silence`: no bytes, no FIN, no RST until `heal`. `mute`: new connections are accepted and never answered.
 * `cut`: all connections are reset. `cut-mid-packet`: n bytes of the next answer arrive, then its connection
 * is reset. `delay`: every piece takes longer, in each direction.
 */
const NetworkFault = z.discriminatedUnion('fault', [
  z.strictObject({ fault: z.enum(['silence', 'mute', 'cut', 'heal']) }),
  z.strictObject({ fault: z.literal('cut-mid-packet'), bytes: z.int().min(0) }),
  z.strictObject({ fault: z.literal('delay'), ms: z.int().min(0).max(60_000) }),
]);
export type NetworkFault = z.infer<typeof NetworkFault>;

const MAX_BODY_BYTES = 1_024;

/**
 * The control channel of a wire. `POST /redis-1` with a {@link NetworkFault} as JSON makes a fault; `GET /`
 * lists the proxies. Both need the cluster's token, because other users of this machine reach the loopback
 * address too.
 */
export async function startControl(
  proxies: ReadonlyMap<string, FaultyProxy>,
  { port, token }: { readonly port: number; readonly token: string },
): Promise<Server> {
  const server = createServer((request, response) => {
    answer(proxies, token, request).then(
      ({ status, body }) => send(response, status, body),
      (error: unknown) => send(response, 400, { error: messageOf(error) }),
    );
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

async function answer(
  proxies: ReadonlyMap<string, FaultyProxy>,
  token: string,
  request: IncomingMessage,
): Promise<Answer> {
  if (token === '' || request.headers.authorization !== `Bearer ${token}`)
    return { status: 401, body: { error: 'the token of this cluster is missing or wrong' } };
  if (request.method === 'GET') return { status: 200, body: describe(proxies) };
  const proxy = proxies.get((request.url ?? '').slice(1));
  if (proxy === undefined) return { status: 404, body: { error: `there is no proxy ${request.url}` } };
  apply(proxy, parseJsonAs(NetworkFault, await bodyOf(request)));
  return { status: 200, body: describe(proxies) };
}

function describe(proxies: ReadonlyMap<string, FaultyProxy>): unknown {
  return [...proxies].map(([name, { port, open, accepted }]) => ({ name, port, open, accepted }));
}

function apply(proxy: FaultyProxy, fault: NetworkFault): void {
  switch (fault.fault) {
    case 'silence':
      return proxy.silence();
    case 'mute':
      return proxy.acceptWithoutAnswering();
    case 'cut':
      return proxy.cut();
    case 'cut-mid-packet':
      return proxy.cutAfter(fault.bytes);
    case 'delay':
      return proxy.delay(fault.ms);
    case 'heal':
      return proxy.heal();
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = '';
  request.setEncoding('utf8');
  for await (const piece of request) {
    body += String(piece);
    if (body.length > MAX_BODY_BYTES) throw new Error(`a fault has at most ${MAX_BODY_BYTES} bytes`);
  }
  return body;
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
