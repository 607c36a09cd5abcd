/**
 * The only file that uses node-zookeeper-client: one client for one connection to one server, used once.
 *
 * The library is an untrusted transport. These faults of version 1.1.3 are contained here and in
 * connection.ts, each with a test:
 * - it reconnects by itself and runs queued operations late: here a connection that ends never comes back;
 * - half a packet survives a reconnect and breaks the next handshake, and many packets at once recurse: we
 *   pass it whole packets;
 * - unknown error codes, unknown events and malformed packets throw inside the socket handler: caught for
 *   each connection;
 * - close() does not report its end, waits forever, and throws before connect();
 * - its parser of connect strings does not support IPv6, and its chroot changes packets: we use neither;
 * - `version 0` in a transaction is sent as -1: we offer no transactions. The library has no deadlines, and
 *   it accumulates watches: connection.ts deals with both.
 */
import type { Socket } from 'node:net';
import { createClient, CreateMode, Exception, type Client, type Stat } from 'node-zookeeper-client';
import { messageOf } from '../runtime/errors.ts';
import type { Log } from '../runtime/log.ts';
import type { Server } from './connect-string.ts';
import { CoordinationError, type CoordinationErrorCode } from './errors.ts';
import { FrameReader } from './framing.ts';

/**
 * What another process needs to attach to a session. With it, a supervisor closes the session of its dead
 * worker.
 */
export interface SessionCredentials {
  /** 16 hex digits. */
  readonly id: string;
  /** Base64. */
  readonly password: string;
  readonly timeoutMs: number;
}

export interface NodeStat {
  /** The transaction that created the node. It distinguishes the node from a successor at the same path. */
  readonly czxid: bigint;
  /** 16 hex digits of the owning session; zeros for a persistent node. */
  readonly ephemeralOwner: string;
  readonly version: number;
}

export interface Node {
  readonly data: string;
  readonly stat: NodeStat;
}

export interface TransportOptions {
  readonly server: Server;
  /** Requested session timeout. */
  readonly timeoutMs: number;
  /** The session to attach to; without it a new one is opened. */
  readonly credentials?: SessionCredentials | undefined;
  readonly log: Log;
  readonly onConnected: () => void;
  /** Called once, when either side has ended the connection. */
  readonly onEnded: (reason: CoordinationError) => void;
}

/**
 * Receives the answer of one operation. Never called after the connection has ended: the caller keeps the
 * list of pending operations.
 */
export type Done<T> = (error: CoordinationError | undefined, value: T) => void;

/** The parts of the library's connection manager (1.1.3) that we replace or call. */
interface Manager {
  state: number;
  readonly socket?: Socket;
  readonly connectTimeoutHandler: NodeJS.Timeout | null;
  readonly pendingQueue: unknown[];
  findNextServer(callback: (server: Server) => void): void;
  onSocketData(packet: Buffer): void;
  onSocketClosed(hasError: boolean): void;
  queue(request: { header: { type: number } | null }, callback?: (error: unknown) => void): void;
}

const STATE_CONNECTING = 1;
const STATE_CLOSED = -2;
const CLOSE_SESSION = -11;
const SESSION_MOVED = -118;
/** A server accepts at most 1 MB from a client but may send more: a long list of children. */
const MAX_PACKET_BYTES = 16 * 1024 * 1024;

const KNOWN_CODES = new Set<unknown>(Object.values(Exception));
const CODE_NAMES: Record<number, CoordinationErrorCode> = {
  [Exception.NO_NODE]: 'NO_NODE',
  [Exception.NODE_EXISTS]: 'NODE_EXISTS',
  [Exception.BAD_VERSION]: 'BAD_VERSION',
  [Exception.NOT_EMPTY]: 'NOT_EMPTY',
  [Exception.CONNECTION_LOSS]: 'OUTCOME_UNKNOWN',
};

export class Transport {
  readonly #options: TransportOptions;
  readonly #client: Client;
  readonly #manager: Manager;
  readonly #reader = new FrameReader(MAX_PACKET_BYTES);
  #lastZxid = 0n;
  #ended = false;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#client = createClient('see-findNextServer', clientOptions(options));
    const { connectionManager: manager } = this.#client as unknown as { connectionManager: Manager };
    this.#manager = manager;
    const receive = manager.onSocketData.bind(manager);
    manager.findNextServer = (callback) => callback(options.server);
    manager.onSocketData = (chunk) => this.#onData(chunk, receive);
    manager.onSocketClosed = () => this.destroy(this.#lost('closed the connection'));
    this.#client.once('connected', options.onConnected);
    this.#client.once('expired', () =>
      this.destroy(new CoordinationError('SESSION_EXPIRED', 'session expired')),
    );
  }

  connect(): void {
    this.#client.connect();
  }

  /** The number of the newest transaction that the server had applied when it sent its last answer. */
  get lastZxid(): bigint {
    return this.#lastZxid;
  }

  /** The session, once connected. */
  negotiated(): SessionCredentials {
    return {
      id: this.#client.getSessionId().toString('hex'),
      password: this.#client.getSessionPassword().toString('base64'),
      timeoutMs: this.#client.getSessionTimeout(),
    };
  }

  /** Ends the connection for good, immediately, in any state. Idempotent. */
  destroy(reason: CoordinationError): void {
    if (this.#ended) return;
    this.#ended = true;
    const manager = this.#manager;
    manager.state = STATE_CLOSED;
    if (manager.connectTimeoutHandler) clearTimeout(manager.connectTimeoutHandler);
    manager.pendingQueue.length = 0;
    manager.socket?.destroy();
    this.#options.onEnded(reason);
  }

  create(path: string, data: string, ephemeral: boolean, done: Done<undefined>): void {
    const mode = ephemeral ? CreateMode.EPHEMERAL : CreateMode.PERSISTENT;
    this.#client.create(path, Buffer.from(data), mode, (error) => done(this.#translated(error), undefined));
  }

  set(path: string, data: string, version: number, done: Done<undefined>): void {
    this.#client.setData(path, Buffer.from(data), version, (error) =>
      done(this.#translated(error), undefined),
    );
  }

  remove(path: string, version: number, done: Done<undefined>): void {
    this.#client.remove(path, version, (error) => done(this.#translated(error), undefined));
  }

  get(path: string, watch: (() => void) | undefined, done: Done<Node | undefined>): void {
    const answer = (error: unknown, data: Buffer | undefined, stat: Stat): void => {
      if (error) done(this.#translated(error), undefined);
      else done(undefined, { data: data?.toString('utf8') ?? '', stat: toNodeStat(stat) });
    };
    if (watch === undefined) this.#client.getData(path, answer);
    else this.#client.getData(path, watch, answer);
  }

  exists(path: string, watch: (() => void) | undefined, done: Done<NodeStat | undefined>): void {
    const answer = (error: unknown, stat: Stat | null): void =>
      done(this.#translated(error), error || !stat ? undefined : toNodeStat(stat));
    if (watch === undefined) this.#client.exists(path, answer);
    else this.#client.exists(path, watch, answer);
  }

  children(path: string, watch: (() => void) | undefined, done: Done<string[]>): void {
    const answer = (error: unknown, children: string[] | undefined): void =>
      done(this.#translated(error), children ?? []);
    if (watch === undefined) this.#client.getChildren(path, answer);
    else this.#client.getChildren(path, watch, answer);
  }

  /** Ends the session on the ensemble. When `done` is called, its ephemeral nodes are gone. */
  closeSession(done: Done<undefined>): void {
    const queue = this.#manager.queue.bind(this.#manager);
    this.#manager.queue = (request, callback) => {
      const isClose = request.header?.type === CLOSE_SESSION;
      queue(request, isClose ? (error) => done(this.#translated(error), undefined) : callback);
    };
    this.#client.close();
  }

  #onData(chunk: Buffer, receive: (packet: Buffer) => void): void {
    if (this.#ended) return;
    try {
      for (const packet of this.#reader.push(chunk)) {
        if (this.#manager.state !== STATE_CONNECTING) this.#inspect(packet);
        if (this.#ended) return;
        receive(packet);
      }
    } catch (error) {
      const reason = this.#lost(`sent a packet that cannot be read (${messageOf(error)})`, error);
      this.#options.log.warn({ error: reason }, 'connection to ZooKeeper given up');
      this.destroy(reason);
    }
  }

  /**
   * Reads the header of an answer. Replaces an unknown error code by SYSTEM_ERROR: with it the library would
   * throw and never answer the caller. Ends the connection when the session has ended or moved.
   */
  #inspect(packet: Buffer): void {
    const xid = packet.readInt32BE(4);
    const zxid = packet.readBigInt64BE(8);
    const code = packet.readInt32BE(16);
    if (xid < 0) return;
    if (zxid > this.#lastZxid) this.#lastZxid = zxid;
    if (code === SESSION_MOVED || code === Exception.SESSION_EXPIRED) {
      // Only the answer to an attempt to attach is final.
      this.destroy(this.#lost('reports that the session has ended or moved to another server'));
      return;
    }
    if (KNOWN_CODES.has(code)) return;
    this.#options.log.warn(
      { server: this.#options.server, code },
      'ZooKeeper answered with an unknown error code',
    );
    packet.writeInt32BE(Exception.SYSTEM_ERROR, 16);
  }

  #translated(error: unknown): CoordinationError | undefined {
    if (!error) return undefined;
    const code = error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : 0;
    return new CoordinationError(CODE_NAMES[code] ?? 'REFUSED', messageOf(error), { cause: error });
  }

  #lost(what: string, cause?: unknown): CoordinationError {
    const { host, port } = this.#options.server;
    return new CoordinationError('OUTCOME_UNKNOWN', `ZooKeeper ${host}:${port} ${what}`, { cause });
  }
}

function clientOptions({ timeoutMs, credentials }: TransportOptions): {
  sessionTimeout: number;
  retries: number;
} {
  const options = { sessionTimeout: timeoutMs, retries: 0 };
  if (credentials === undefined) return options;
  const session = {
    sessionId: Buffer.from(credentials.id, 'hex'),
    sessionPassword: Buffer.from(credentials.password, 'base64'),
  };
  return { ...options, ...session };
}

function toNodeStat(stat: Stat): NodeStat {
  return {
    czxid: stat.czxid.readBigInt64BE(),
    ephemeralOwner: stat.ephemeralOwner.toString('hex'),
    version: stat.version,
  };
}
