/** What a client may cost before it is refused or cut off. Times in milliseconds. */
export interface ServerLimits {
  /** For the headers to arrive. */
  readonly headersTimeoutMs: number;
  /** For a whole request to arrive, body included. */
  readonly requestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  /** A client that reads nothing of its answer is cut off after one to two times this. */
  readonly stalledMs: number;
}

export const LIMITS: ServerLimits = {
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 15_000,
  // Longer than the usual idle time-outs of load balancers, so that they close idle connections, not we.
  keepAliveTimeoutMs: 65_000,
  stalledMs: 30_000,
};

/** Node too closes idle connections this much later than it says: a request may be on its way. */
export const KEEP_ALIVE_GRACE_MS = 1_000;

export const MAX_HEADER_BYTES = 16 * 1024;
export const MAX_BODY_BYTES = 64 * 1024;

/**
 * Requests of one connection that one turn of the event loop begins. Ten clients that pipeline then delay
 * another client by 160 requests, some 2 ms.
 */
export const REQUESTS_PER_TURN = 16;

/**
 * When all connections together have begun this many in a turn, each begins a few at most. A turn accepts one
 * new connection, so its length decides how long a new client waits.
 */
export const ALL_REQUESTS_PER_TURN = 64;
export const FEW_PER_TURN = REQUESTS_PER_TURN / 4;

/**
 * A request that Koa answers counts as this many. It costs some ten times as much as a link from memory, and
 * a client may make it cost more: 15 KB of path, 500 headers.
 */
export const SLOW_REQUEST_COST = REQUESTS_PER_TURN / 2;

/**
 * The chunks of a body, which the parser hands over one by one. A turn begins one request with chunks of each
 * connection. Usual clients send chunks of kilobytes.
 */
export const MAX_CHUNKS = 1_024;
/** More chunks are taken if they have this many bytes on average. Some clients send a chunk for each line. */
export const BYTES_PER_CHUNK = 16;

/** How slowly a client may send or read a stream. */
export interface StreamPace {
  /** How long it may stand still. */
  readonly graceMs: number;
  /** Bytes that bring a second of that time back. */
  readonly bytesPerSecond: number;
  /** When it is over however fast the client is, in monotonic milliseconds. Default: never. */
  readonly endsAtMs?: number | undefined;
}

export const STREAM_PACE: StreamPace = { graceMs: 30_000, bytesPerSecond: 16 * 1024 };

/** Requests of one connection that wait for their answers. With more, its bytes are not read. */
export const MAX_UNANSWERED = 64;

/** How long a connection that we have closed is still read. */
export const LINGER_MS = 2_000;
