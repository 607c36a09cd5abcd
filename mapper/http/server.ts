import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { LIMITS, MAX_HEADER_BYTES, type ServerLimits } from './limits.ts';
import { PROBLEM_TYPE, Problem, type ProblemKind } from './problem.ts';
import { BACKLOG, type PublicPort } from './public-port.ts';

export type Handler = (request: IncomingMessage, response: ServerResponse) => unknown;

export interface PublicServer {
  /**
   * Stops listening, waits for requests under way and asks every client to leave with its next answer; closes connections
   * that stay idle; cuts what is left after `timeoutMs`.
   */
  drain(timeoutMs: number): Promise<void>;
}

/**
 * Serves `handler` on the public port. Slow senders are cut off by the time-outs; bytes that are not HTTP are answered with a problem
 * document too.
 * @throws when the port is taken
 */
export async function startServer(
  handler: Handler,
  port: PublicPort,
  limits: ServerLimits = LIMITS,
): Promise<PublicServer> {
  let isLeaving = false;
  const server = createServer(
    {
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      connectionsCheckingInterval: Math.min(1_000, limits.headersTimeoutMs),
      maxHeaderSize: MAX_HEADER_BYTES,
      requireHostHeader: false, // the app answers, with a problem document
      noDelay: true,
      // Most requests have no body, and the machinery of a stream that would deliver it costs as much as finding a link.
      optimizeEmptyRequests: true,
    },
    (request, response) => {
      if (isLeaving) response.shouldKeepAlive = false;
      handler(request, response);
    },
  );
  const stalled = cutStalled(server, limits.stalledMs);
  server.on('checkContinue', (request, response) => server.emit('request', request, response));
  server.on('checkExpectation', (_request, response) => {
    const problem = new Problem('expectation-failed');
    response
      .writeHead(problem.status, {
        'Content-Type': PROBLEM_TYPE,
        'X-Request-Id': randomUUID(),
        Connection: 'close',
      })
      .end(JSON.stringify(problem));
  });
  server.on('clientError', answerBrokenRequest);
  await port.listen(server);
  return {
    drain: async (timeoutMs) => {
      await drain(server, timeoutMs, () => {
        isLeaving = true;
      });
      clearInterval(stalled);
    },
  };
}

/** A client that has just connected has its request on the way: give it this long before its connection counts as idle. */
const IDLE_GRACE_MS = 250;

/**
 * Cuts clients that take nothing of their answers, in looks at all of them: `server.timeout` would do it too, with a timer that every
 * request sets anew, which costs a redirect from memory a tenth of its time. (Those that send nothing have time-outs of their own.)
 */
function cutStalled(server: Server, everyMs: number): NodeJS.Timeout {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const taken = new WeakMap<Socket, number>();
  const look = (): void => {
    for (const socket of sockets) {
      const now = socket.bytesWritten - socket.writableLength;
      if (socket.writableLength > 0 && taken.get(socket) === now) socket.destroy();
      taken.set(socket, now);
    }
  };
  return setInterval(look, everyMs).unref();
}

/**
 * Accepts those who wait to be accepted: the kernel resets them when the port is closed. The event loop takes one in each turn, so a
 * turn without one means that none waits; a second one, because the first may have begun before we asked.
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

/** @param leave called once nobody can connect any more: asked earlier to leave, clients would come back while the port closes */
async function drain(server: Server, timeoutMs: number, leave: () => void): Promise<void> {
  if (server.listening) await acceptWaiting(server);
  // Not http's own close(): that cuts idle connections at once, those with a request on the wire included.
  const closed = new Promise<void>((resolve) => {
    NetServer.prototype.close.call(server, () => resolve());
  });
  leave();
  // After a stall of the event loop timers run before the sockets are read: what came in meanwhile is read first.
  const closeIdle = (): void => void setImmediate(() => server.closeIdleConnections());
  const idle = setInterval(closeIdle, Math.min(IDLE_GRACE_MS, timeoutMs));
  const cut = setTimeout(() => server.closeAllConnections(), timeoutMs);
  await closed;
  clearInterval(idle);
  clearTimeout(cut);
}

/** By Node's code for what is wrong. */
const BROKEN: Readonly<Record<string, ProblemKind>> = {
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  ERR_HTTP_REQUEST_TIMEOUT: 'too-slow',
};

/** Node hands over the bare socket of what it could not parse, or would not wait for any longer. */
function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const problem = new Problem(BROKEN[error.code ?? ''] ?? 'malformed-request');
  const body = JSON.stringify(problem);
  socket.end(
    `HTTP/1.1 ${problem.status} ${problem.title}\r\nContent-Type: ${PROBLEM_TYPE}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nX-Request-Id: ${randomUUID()}\r\nConnection: close\r\n\r\n${body}`,
  );
}
