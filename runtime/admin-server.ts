import type { RequestListener, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer } from './node-http.ts';

/** More than all probes, scrapes and producers together have open at one moment. */
const MAX_CONNECTIONS = 256;

/** For a client that sends or takes nothing; the longest question waits 120 s for its answer. */
const SILENT_MS = 150_000;

/** HPE_PAUSED of llhttp. */
const PAUSE = 21;

/**
 * The server of an admin port. Each connection carries one request: strangers reach the port too, and one
 * that sends thousands of requests at once must not hold up the process. What follows is not parsed.
 *
 * A client may end its side after the request (FIN): it gets its answer. At most {@link MAX_CONNECTIONS} are
 * open. One more closes the oldest connection that has not sent the head of a request: strangers who open
 * connections and send nothing must not keep others off the port.
 */
export function createAdminServer(listener: RequestListener): Server {
  const newest = new WeakMap<Socket, ServerResponse>();
  const places = new Places();
  const server = createServer(
    { headersTimeout: 5_000, requestTimeout: 5_000, connectionsCheckingInterval: 1_000 },
    (request, response) => {
      newest.set(request.socket, response);
      places.keep(request.socket);
      response.shouldKeepAlive = false;
      return listener(request, response);
    },
  );
  server.timeout = SILENT_MS;
  // Not documented: without it, a client that has sent FIN gets no answer, but its request is obeyed.
  Object.assign(server, { httpAllowHalfOpen: true });
  server.on('connection', (socket: Socket) => {
    takeOneRequest(socket);
    places.take(socket);
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const response = newest.get(socket);
    // Its answer is still to come, or on its way, and closes the connection.
    if (response?.req.complete === true && socket.writable) socket.pause();
    else if (response?.headersSent === true || !socket.writable) socket.destroy();
    else refuse(socket, STATUS[error.code ?? ''] ?? '400 Bad Request', 'this is not well-formed HTTP/1.1');
  });
  server.on('connect', (request, socket) => {
    socket.on('error', () => socket.destroy());
    // Node reports CONNECT also behind another request, whose answer closes the connection.
    if (newest.has(request.socket)) return;
    refuse(socket, '405 Method Not Allowed', 'method CONNECT: this is not a proxy');
  });
  return server;
}

/** The connections of a server, oldest first. */
class Places {
  readonly #taken = new Set<Socket>();
  /** Those that have not sent the head of a request. */
  readonly #idle = new Set<Socket>();

  /** Closes another connection, or this one, if there are too many. */
  take(socket: Socket): void {
    this.#taken.add(socket);
    this.#idle.add(socket);
    socket.once('close', () => this.#free(socket));
    if (this.#taken.size <= MAX_CONNECTIONS) return;
    const [oldest = socket] = this.#idle;
    this.#free(oldest);
    oldest.destroy();
  }

  /** The connection has a request: it keeps its place until it is closed. */
  keep(socket: Socket): void {
    this.#idle.delete(socket);
  }

  #free(socket: Socket): void {
    this.#taken.delete(socket);
    this.#idle.delete(socket);
  }
}

/** By the code of Node's error. */
const STATUS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/** Node's parser of requests, as far as we use it. Not documented. */
interface Parser {
  /** The headers of a request are complete. @returns a code of the parser */
  onIncoming: (request: unknown, shouldKeepAlive: boolean) => number;
}

/** A segment can hold a thousand requests, which Node would parse and answer with 503. */
function takeOneRequest(socket: Socket & { readonly parser?: Parser | null }): void {
  const { parser } = socket;
  if (!parser) return;
  const { onIncoming } = parser;
  let isTaken = false;
  parser.onIncoming = (request, shouldKeepAlive) => {
    if (isTaken) return PAUSE;
    isTaken = true;
    return onIncoming(request, shouldKeepAlive);
  };
}

/** Answers what is no request of ours, and closes the connection. */
function refuse(socket: Duplex, status: string, reason: string): void {
  const body = `${JSON.stringify({ error: reason })}\n`;
  const head = `HTTP/1.1 ${status}\r\nContent-Type: application/json; charset=utf-8\r\nConnection: close\r\n`;
  socket.end(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`, () => socket.destroy());
}
