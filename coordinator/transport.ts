/**
 * One connection to one ZooKeeper server for one session, used once: the only file that touches node-zookeeper-client.
 *
 * The library is an untrusted transport. Faults of version 1.1.3 contained here (each has a test):
 * - no deadline on the handshake, on operations, or on close: every wait here has one, and a missed one ends the connection;
 * - it reconnects by itself, with what was queued, and runs it late: here a connection that ends never comes back;
 * - half a packet survives a cut and spoils the next handshake, and many packets at once recurse: it is fed whole packets, one by one;
 * - unknown error codes, unknown events and malformed packets throw inside the socket handler: caught per connection;
 * - callbacks of queued operations never fire after a close: every pending operation is rejected here;
 * - watchers pile up: see watches.ts;
 * - close() before connect throws, and says nothing when done: see closeSession;
 * - `version 0` in a transaction is sent as -1: transactions are not offered.
 */
import type { Socket } from 'node:net';
import { createClient, CreateMode, Exception, type Client, type Stat } from 'node-zookeeper-client';
import { monotonicMs } from '../runtime/clock.ts';
import { DeadlineError, messageOf } from '../runtime/errors.ts';
import type { Log } from '../runtime/log.ts';
import type { Server } from './connect-string.ts';
import { CoordinationError, type CoordinationErrorCode } from './errors.ts';
import { FrameReader } from './framing.ts';
import { PATHS } from './paths.ts';
import { Watches } from './watches.ts';

/** What another process needs to attach to a session: the supervisor closes its dead worker's session with it. */
export interface SessionCredentials {
  /** 16 hex digits */
  readonly id: string;
  /** base64 */
  readonly password: string;
  readonly timeoutMs: number;
}

export interface NodeStat {
  /** Transaction that created the node: tells it from a successor at the same path. */
  readonly czxid: bigint;
  /** 16 hex digits of the owning session; zeros for a persistent node. */
  readonly ephemeralOwner: string;
  readonly version: number;
}

export interface Node {
  readonly data: string;
  readonly stat: NodeStat;
}

export interface ConnectionOptions {
  readonly server: Server;
  readonly chroot: string;
  /** Session timeout to ask for; the answer stands in `credentials.timeoutMs`. */
  readonly timeoutMs: number;
  /** The session to attach to; without it a new one is opened. */
  readonly credentials?: SessionCredentials | undefined;
  /** For the TCP connect and the handshake together. */
  readonly handshakeMs: number;
  readonly log: Log;
  readonly signal?: AbortSignal | undefined;
}

/** The parts of the library's connection manager (1.1.3) that are replaced or driven from here. */
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

const CONNECTING = 1;
const CLOSED = -2;
const CLOSE_SESSION = -11;
const SESSION_MOVED = -118;
/** A server's answer may be larger than the 1 MB it takes from clients: a long list of children. */
const MAX_PACKET_BYTES = 16 * 1024 * 1024;
/** No node reaches this version: deleting it conditionally never deletes anything. */
const NEVER_A_VERSION = 0x7fff_ffff;
const ZEROS = '0'.repeat(16);

const KNOWN_CODES = new Set<unknown>(Object.values(Exception));
const CODE_NAMES: Record<number, CoordinationErrorCode> = {
  [Exception.NO_NODE]: 'NO_NODE',
  [Exception.NODE_EXISTS]: 'NODE_EXISTS',
  [Exception.BAD_VERSION]: 'BAD_VERSION',
  [Exception.NOT_EMPTY]: 'NOT_EMPTY',
  [Exception.CONNECTION_LOSS]: 'OUTCOME_UNKNOWN',
  [Exception.SESSION_EXPIRED]: 'NOT_CONNECTED',
};

type Callback<T> = (error: unknown, value: T) => void;

export class Connection {
  readonly server: Server;
  /** Aborted, with the reason, once the connection is over, by whichever side. It never comes back. */
  readonly signal: AbortSignal;
  readonly #client: Client;
  readonly #manager: Manager;
  readonly #chroot: string;
  readonly #log: Log;
  readonly #reader = new FrameReader(MAX_PACKET_BYTES);
  readonly #watches = new Watches();
  readonly #pending = new Set<(reason: Error) => void>();
  readonly #over = new AbortController();
  #provenAtMs = -Infinity;
  #credentials: SessionCredentials;

  /** Opens a session on one server, or attaches to one. Rejects with SESSION_EXPIRED only on the ensemble's own word. */
  static async open(options: ConnectionOptions): Promise<Connection> {
    options.signal?.throwIfAborted();
    const connection = new Connection(options);
    await connection.#handshake(options);
    return connection;
  }

  private constructor(options: ConnectionOptions) {
    this.server = options.server;
    this.#chroot = options.chroot;
    this.#log = options.log;
    this.#credentials = options.credentials ?? { id: ZEROS, password: '', timeoutMs: options.timeoutMs };
    this.signal = this.#over.signal;
    this.#client = createClient('replaced-below', clientOptions(options));
    const { connectionManager } = this.#client as unknown as { connectionManager: Manager };
    this.#manager = connectionManager;
    const receive = connectionManager.onSocketData.bind(connectionManager);
    connectionManager.findNextServer = (callback) => callback(options.server);
    connectionManager.onSocketData = (chunk) => this.#onData(chunk, receive);
    connectionManager.onSocketClosed = () => this.destroy(lost(`${this.#name} closed the connection`));
  }

  get credentials(): SessionCredentials {
    return this.#credentials;
  }

  get usable(): boolean {
    return !this.signal.aborted;
  }

  /** Local monotonic time when the last acknowledged heartbeat was sent: the session lives at least its timeout from then. */
  get provenAtMs(): number {
    return this.#provenAtMs;
  }

  /** Watch callbacks waiting on this connection, for the leak tests. */
  get watchCount(): number {
    return this.#watches.size;
  }

  /**
   * A write through the quorum that changes nothing: proof that this server is connected to a majority and that the
   * session is alive. A read or a ping would be answered by a server that is cut off.
   */
  async heartbeat(deadlineMs: number): Promise<void> {
    const sentAtMs = monotonicMs();
    const path = this.#full(PATHS.heartbeat);
    await this.#ask<undefined>('heartbeat', deadlineMs, (done) => {
      this.#client.remove(path, NEVER_A_VERSION, (error) => {
        const code = numberOf(error);
        done(code === Exception.NO_NODE || code === Exception.BAD_VERSION ? null : error, undefined);
      });
    });
    this.#provenAtMs = sentAtMs;
  }

  /** Creates the chroot of the connect string if it is missing. */
  async ensureChroot(deadlineMs: number): Promise<void> {
    const parts = this.#chroot.split('/').slice(1);
    for (const [index] of parts.entries()) {
      const path = `/${parts.slice(0, index + 1).join('/')}`;
      await this.#ask<string | undefined>(`create chroot ${path}`, deadlineMs, (done) =>
        this.#client.create(path, (error) =>
          done(numberOf(error) === Exception.NODE_EXISTS ? null : error, undefined),
        ),
      );
    }
  }

  async create(path: string, data: string, ephemeral: boolean, deadlineMs: number): Promise<void> {
    const mode = ephemeral ? CreateMode.EPHEMERAL : CreateMode.PERSISTENT;
    await this.#ask<string>(`create ${path}`, deadlineMs, (done) =>
      this.#client.create(this.#full(path), Buffer.from(data), mode, done),
    );
  }

  async get(path: string, deadlineMs: number, onChange?: () => void): Promise<Node> {
    return await this.#read(`get ${path}`, `data ${path}`, deadlineMs, onChange, (watch, done) => {
      const answer = (error: unknown, data: Buffer | undefined, stat: Stat): void =>
        done(error, error ? EMPTY_NODE : { data: data?.toString('utf8') ?? '', stat: toNodeStat(stat) });
      if (watch === undefined) this.#client.getData(this.#full(path), answer);
      else this.#client.getData(this.#full(path), watch, answer);
    });
  }

  async exists(path: string, deadlineMs: number, onChange?: () => void): Promise<NodeStat | undefined> {
    return await this.#read(`exists ${path}`, `exists ${path}`, deadlineMs, onChange, (watch, done) => {
      const answer = (error: unknown, stat: Stat | null): void =>
        done(error, error || !stat ? undefined : toNodeStat(stat));
      if (watch === undefined) this.#client.exists(this.#full(path), answer);
      else this.#client.exists(this.#full(path), watch, answer);
    });
  }

  async children(path: string, deadlineMs: number, onChange?: () => void): Promise<string[]> {
    return await this.#read(
      `children of ${path}`,
      `children ${path}`,
      deadlineMs,
      onChange,
      (watch, done) => {
        const answer = (error: unknown, children: string[] | undefined): void => done(error, children ?? []);
        if (watch === undefined) this.#client.getChildren(this.#full(path), answer);
        else this.#client.getChildren(this.#full(path), watch, answer);
      },
    );
  }

  async set(path: string, data: string, version: number, deadlineMs: number): Promise<void> {
    await this.#ask<Stat>(`set ${path}`, deadlineMs, (done) =>
      this.#client.setData(this.#full(path), Buffer.from(data), version, done),
    );
  }

  async remove(path: string, version: number, deadlineMs: number): Promise<void> {
    await this.#ask<undefined>(`remove ${path}`, deadlineMs, (done) =>
      this.#client.remove(this.#full(path), version, (error) => done(error, undefined)),
    );
  }

  /**
   * Ends the session on the ensemble: when this resolves its ephemeral nodes are gone. The connection is over either way.
   * @throws CoordinationError OUTCOME_UNKNOWN if no answer came in time
   */
  async closeSession(deadlineMs: number): Promise<void> {
    const queue = this.#manager.queue.bind(this.#manager);
    try {
      await this.#ask<undefined>('closeSession', deadlineMs, (done) => {
        this.#manager.queue = (request, callback) =>
          queue(
            request,
            request.header?.type === CLOSE_SESSION ? (error) => done(error, undefined) : callback,
          );
        this.#client.close();
      });
    } finally {
      this.destroy(lost('the session was closed'));
    }
  }

  /** Ends the connection for good, at once: every pending operation is rejected, watches are dropped. Idempotent. */
  destroy(reason: Error): void {
    if (!this.usable) return;
    const manager = this.#manager;
    manager.state = CLOSED;
    if (manager.connectTimeoutHandler) clearTimeout(manager.connectTimeoutHandler);
    manager.pendingQueue.length = 0;
    manager.socket?.destroy();
    this.#watches.clear();
    for (const reject of this.#pending) reject(reason);
    this.#pending.clear();
    this.#over.abort(reason);
  }

  async #handshake({ credentials, handshakeMs, signal }: ConnectionOptions): Promise<void> {
    const connected = Promise.withResolvers<void>();
    this.#pending.add(connected.reject);
    const onAbort = (): void => this.destroy(lost('the attempt was given up', signal?.reason));
    signal?.addEventListener('abort', onAbort, { once: true });
    const timer = setTimeout(
      () => this.destroy(lost('no handshake', new DeadlineError(this.#name, handshakeMs))),
      handshakeMs,
    );
    this.#client.once('connected', () => connected.resolve());
    this.#client.once('expired', () =>
      this.destroy(new CoordinationError('SESSION_EXPIRED', 'session expired')),
    );
    try {
      this.#client.connect();
      await connected.promise;
      this.#credentials = this.#negotiated();
      if (credentials !== undefined && credentials.id !== this.#credentials.id)
        throw new CoordinationError('REFUSED', `${this.#name} answered with another session than asked for`);
    } catch (error) {
      this.destroy(error instanceof Error ? error : lost(messageOf(error)));
      throw error;
    } finally {
      this.#pending.delete(connected.reject);
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  #negotiated(): SessionCredentials {
    return {
      id: this.#client.getSessionId().toString('hex'),
      password: this.#client.getSessionPassword().toString('base64'),
      timeoutMs: this.#client.getSessionTimeout(),
    };
  }

  #onData(chunk: Buffer, receive: (packet: Buffer) => void): void {
    if (!this.usable) return;
    try {
      for (const packet of this.#reader.push(chunk)) {
        if (this.#manager.state !== CONNECTING) this.#disarm(packet);
        receive(packet);
        if (!this.usable) return;
      }
    } catch (error) {
      this.#log.warn({ error, server: this.#name }, 'ZooKeeper sent what the client cannot read');
      this.destroy(lost(`${this.#name} sent what the client cannot read`, error));
    }
  }

  /** Puts SYSTEM_ERROR in place of an error code that would make the library throw and forget its caller. */
  #disarm(packet: Buffer): void {
    const xid = packet.readInt32BE(4);
    const code = packet.readInt32BE(16);
    if (xid < 0 || KNOWN_CODES.has(code)) return;
    if (code === SESSION_MOVED) throw lost('the session has moved to another server');
    this.#log.warn({ server: this.#name, code }, 'ZooKeeper answered with an unknown error code');
    packet.writeInt32BE(Exception.SYSTEM_ERROR, 16);
  }

  async #read<T>(
    what: string,
    key: string,
    deadlineMs: number,
    onChange: (() => void) | undefined,
    start: (watch: (() => void) | undefined, done: Callback<T>) => void,
  ): Promise<T> {
    const watch = onChange && this.#watches.add(key, onChange);
    try {
      return await this.#ask<T>(what, deadlineMs, (done) => start(watch, done));
    } catch (error) {
      if (onChange) this.#watches.withdraw(key, onChange);
      throw error;
    }
  }

  /** One operation under a deadline. Answers come in order: one that is late means that the connection is dead. */
  async #ask<T>(what: string, deadlineMs: number, start: (done: Callback<T>) => void): Promise<T> {
    if (!this.usable) throw new CoordinationError('NOT_CONNECTED', `${what}: not connected`);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const fail = (reason: Error): void =>
      reject(new CoordinationError('OUTCOME_UNKNOWN', `${what}: ${reason.message}`, { cause: reason }));
    this.#pending.add(fail);
    const timer = setTimeout(
      () => this.destroy(new DeadlineError(`${this.#name} (${what})`, deadlineMs)),
      deadlineMs,
    );
    try {
      start((error, value) => (error ? reject(this.#translate(what, error)) : resolve(value)));
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#pending.delete(fail);
    }
  }

  #translate(what: string, error: unknown): Error {
    const code = numberOf(error);
    if (code === Exception.SESSION_EXPIRED)
      this.destroy(lost(`${this.#name} says that the session has expired`));
    const name = code === undefined ? undefined : CODE_NAMES[code];
    return new CoordinationError(name ?? 'REFUSED', `${what}: ${messageOf(error)}`, { cause: error });
  }

  #full(path: string): string {
    return path === '/' && this.#chroot !== '' ? this.#chroot : this.#chroot + path;
  }

  get #name(): string {
    return `ZooKeeper ${this.server.host}:${this.server.port}`;
  }
}

const EMPTY_NODE: Node = { data: '', stat: { czxid: 0n, ephemeralOwner: ZEROS, version: 0 } };

function clientOptions({ timeoutMs, credentials }: ConnectionOptions): Partial<{ sessionTimeout: number }> {
  const options = { sessionTimeout: timeoutMs, retries: 0 };
  if (credentials === undefined) return options;
  return {
    ...options,
    ...{
      sessionId: Buffer.from(credentials.id, 'hex'),
      sessionPassword: Buffer.from(credentials.password, 'base64'),
    },
  };
}

function toNodeStat(stat: Stat): NodeStat {
  return {
    czxid: stat.czxid.readBigInt64BE(),
    ephemeralOwner: stat.ephemeralOwner.toString('hex'),
    version: stat.version,
  };
}

function numberOf(error: unknown): number | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined;
}

function lost(message: string, cause?: unknown): CoordinationError {
  return new CoordinationError('OUTCOME_UNKNOWN', message, { cause });
}
