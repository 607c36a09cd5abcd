import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { monotonicMs } from '../../runtime/clock.ts';
import { createServer } from '../../runtime/node-http.ts';
import { AnswerEnds } from './answer-ends.ts';
import { Connection, connectionOf, type ParseError } from './connection.ts';
import { Front, type FrontOptions } from './front.ts';
import { LIMITS, MAX_HEADER_BYTES, type ServerLimits } from './limits.ts';
import { NodeReply } from './node-reply.ts';
import { answer, prepareProblem } from './plain-answer.ts';
import { Problem } from './problem.ts';
import { Turns } from './pipeline.ts';
import { BACKLOG, type PublicPort } from './public-port.ts';

export type Handler = (request: IncomingMessage, response: NodeReply) => unknown;

export interface Handlers {
  /** Answers any request that Node has parsed. */
  readonly any: Handler;
  /** How the front answers usual requests of a connection. Without it Node parses all requests. */
  readonly usual?: FrontOptions['rulesFor'] | undefined;
}

export interface PublicServer {
  /** Connections now, by who serves them: the front, or Node's HTTP server. */
  connections(): { readonly front: number; readonly node: number };
  /**
   * Stops listening and waits for the requests in flight. Every answer from now on closes its connection;
   * idle connections are closed. After `timeoutMs` all remaining connections are cut.
   */
  drain(timeoutMs: number): Promise<void>;
}

/**
 * Serves the handlers on the public port. Time-outs cut off slow senders. Bytes that are not HTTP get a
 * problem document too.
 * @throws when the port is taken
 */
export async function startServer(
  handlers: Handlers,
  port: PublicPort,
  limits: ServerLimits = LIMITS,
): Promise<PublicServer> {
  const ends = new AnswerEnds(limits.keepAliveTimeoutMs);
  const turns = new Turns();
  const leaving = { hasBegun: false };
  const server = createNodeServer(handlers.any, { limits, ends, turns, leaving });
  const front =
    handlers.usual && takeOver(server, { rulesFor: handlers.usual, ends, turns, limits, now: monotonicMs });
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const stalled = cutStalled(sockets, limits.stalledMs);
  await port.listen(server);
  return {
    connections: () => {
      const atFront = front?.size ?? 0;
      return { front: atFront, node: sockets.size - atFront };
    },
    drain: async (timeoutMs) => {
      await drain(server, front, timeoutMs, () => {
        leaving.hasBegun = true;
      });
      clearInterval(stalled);
    },
  };
}

interface NodeServerOptions {
  readonly limits: ServerLimits;
  readonly ends: AnswerEnds;
  readonly turns: Turns;
  readonly leaving: { readonly hasBegun: boolean };
}

function createNodeServer(handler: Handler, { limits, ends, turns, leaving }: NodeServerOptions): Server {
  const handle = (handler: Handler, request: IncomingMessage, response: NodeReply): void => {
    // Node parses the bytes after a request for another protocol as if they were HTTP.
    if (leaving.hasBegun || request.headers.upgrade !== undefined) response.shouldKeepAlive = false;
    const connection = connectionOf(request.socket);
    connection?.began(response);
    handler(request, response);
    if (!response.shouldKeepAlive) connection?.end();
  };
  const server = createServer<typeof IncomingMessage, typeof NodeReply>(
    {
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      connectionsCheckingInterval: Math.min(1_000, limits.headersTimeoutMs),
      maxHeaderSize: MAX_HEADER_BYTES,
      ServerResponse: NodeReply,
      requireHostHeader: false, // Koa answers with a problem document.
      noDelay: true,
      // Most requests have no body, and the stream that would deliver one costs as much as finding a link.
      optimizeEmptyRequests: true,
    },
    (request, response) => handle(handler, request, response),
  );
  // Not documented: a client that has sent FIN is answered, and its connection closed when nothing is due.
  Object.assign(server, { httpAllowHalfOpen: true });
  server.on('connection', (socket: Socket) => new Connection(socket, ends, turns));
  server.on('clientError', (error: ParseError, socket: Socket) => connectionOf(socket)?.parserStopped(error));
  // The client may or may not send the body that it announced, so no request can follow it.
  server.on('checkContinue', (request, response) => {
    response.shouldKeepAlive = false;
    handle(handler, request, response);
  });
  server.on('checkExpectation', (request, response) => {
    response.shouldKeepAlive = false;
    handle(refuseExpectation, request, response);
  });
  server.on('connect', refuseTunnel);
  return server;
}

/**
 * Puts a front before Node's HTTP server: it receives the connections, and Node's own listeners only those
 * that it hands over.
 */
function takeOver(server: Server, options: Omit<FrontOptions, 'handOver' | 'refuseSilent'>): Front {
  const listeners = server.listeners('connection');
  server.removeAllListeners('connection');
  const front = new Front({
    ...options,
    handOver: (socket) => {
      for (const listener of listeners) Reflect.apply(listener, server, [socket]);
    },
    refuseSilent: (socket) => connectionOf(socket)?.refuse(new Problem('too-slow')),
  });
  server.on('connection', (socket: Socket) => front.accept(socket));
  return front;
}

/**
 * A client that has just connected is about to send its request, so its connection counts as idle only after
 * this.
 */
const IDLE_GRACE_MS = 250;

/**
 * Cuts clients that read nothing of their answers, by one sweep over all sockets. `server.timeout` would set
 * a timer for every request, which costs a redirect from memory a tenth of its time. Clients that send
 * nothing have time-outs of their own.
 */
function cutStalled(sockets: ReadonlySet<Socket>, everyMs: number): NodeJS.Timeout {
  const lastSentBytes = new WeakMap<Socket, number>();
  const sweep = (): void => {
    for (const socket of sockets) {
      const sentBytes = socket.bytesWritten - socket.writableLength - unsentOf(socket);
      if (socket.writableLength > 0 && lastSentBytes.get(socket) === sentBytes) socket.destroy();
      lastSentBytes.set(socket, sentBytes);
    }
  };
  return setInterval(sweep, everyMs).unref();
}

/** Where Node has the connection of the system. */
const HANDLE = '_handle';

/**
 * Bytes of a write that the system has not taken yet. Node counts a write of a whole picture as sent when its
 * last byte is. This is not documented; Node's own time-out of sockets looks at it for the same reason.
 */
function unsentOf(
  socket: Socket & { readonly [HANDLE]?: { readonly writeQueueSize?: number } | null },
): number {
  return socket[HANDLE]?.writeQueueSize ?? 0;
}

/**
 * Accepts the connections that wait to be accepted, because the kernel resets them when the port is closed.
 * The event loop accepts one in each turn, so a turn without one means that none waits. We wait for two such
 * turns, because the first may have begun before the call.
 */
async function acceptWaiting(server: Server): Promise<void> {
  let isQuiet = true;
  const onConnection = (): void => void (isQuiet = false);
  server.on('connection', onConnection);
  let quietTurns = 0;
  for (let turns = 0; quietTurns < 2 && turns < BACKLOG; turns += 1) {
    isQuiet = true;
    await turn();
    quietTurns = isQuiet ? quietTurns + 1 : 0;
  }
  server.off('connection', onConnection);
}

/**
 * @param leave makes every later answer close its connection. Called when the port is closed: a client that
 *   was disconnected earlier would connect again while the port closes.
 */
async function drain(
  server: Server,
  front: Front | undefined,
  timeoutMs: number,
  leave: () => void,
): Promise<void> {
  if (server.listening) await acceptWaiting(server);
  // Not the close() of http: it cuts every idle connection immediately, even one whose request is on the
  // wire.
  const closed = new Promise<void>((resolve) => {
    NetServer.prototype.close.call(server, () => resolve());
  });
  leave();
  front?.leave();
  // After a stall, the event loop runs timers before it reads sockets. setImmediate lets it read the requests
  // first.
  const closeIdle = (): void =>
    void setImmediate(() => {
      server.closeIdleConnections();
      front?.closeIdle();
    });
  const idle = setInterval(closeIdle, Math.min(IDLE_GRACE_MS, timeoutMs));
  const cut = setTimeout(() => {
    server.closeAllConnections();
    front?.close();
  }, timeoutMs);
  await closed;
  front?.close();
  clearInterval(idle);
  clearTimeout(cut);
}

function refuseExpectation(_request: IncomingMessage, response: NodeReply): void {
  answer(response, prepareProblem(new Problem('expectation-failed')), randomUUID());
}

/** CONNECT asks for a tunnel. Node has let go of the socket when it tells us. */
function refuseTunnel(request: IncomingMessage, socket: Duplex): void {
  socket.on('error', () => socket.destroy());
  // The stream may be a wrapper around the socket.
  connectionOf(request.socket)?.refuse(
    new Problem('method-not-allowed', {
      detail: 'This is not a proxy.',
      headers: { Allow: 'GET, HEAD, POST' },
    }),
  );
}
