/**
 * One connection of a session: operations as promises, each with a deadline, and watches that do not
 * accumulate.
 *
 * It is used once. Answers come in order, so a late answer counts as a dead connection: a missed deadline
 * ends it, and every operation in flight on it is rejected with OUTCOME_UNKNOWN. No queued operation runs on
 * a later connection.
 */
import { AnswerDeadline } from '../runtime/answer-deadline.ts';
import { monotonicMs } from '../runtime/clock.ts';
import { DeadlineError, messageOf } from '../runtime/errors.ts';
import type { Log } from '../runtime/log.ts';
import type { Server } from './connect-string.ts';
import { CoordinationError, isCoordinationError, named, type CoordinationErrorCode } from './errors.ts';
import { PATHS } from './paths.ts';
import type { Node, NodeStat } from './node.ts';
import { Transport, type Done, type SessionCredentials } from './transport.ts';
import { Watches } from './watches.ts';

export interface ConnectionOptions {
  readonly server: Server;
  /** '' or the path below which all nodes stand. */
  readonly chroot: string;
  /** Requested session timeout; `credentials.timeoutMs` has the negotiated one. */
  readonly timeoutMs: number;
  /** The session to attach to; without it a new one is opened. */
  readonly credentials?: SessionCredentials | undefined;
  /** `user:password`; see {@link Transport}. */
  readonly auth?: string | undefined;
  /** Limit for the TCP connect and the handshake together. */
  readonly handshakeMs: number;
  readonly log: Log;
  readonly signal?: AbortSignal | undefined;
}

/** No node reaches this version, so a conditional delete with it never deletes a node. */
const NEVER_A_VERSION = 0x7fff_ffff;

export class Connection {
  readonly server: Server;
  readonly #chroot: string;
  readonly #transport: Transport;
  readonly #watches = new Watches();
  readonly #pending = new Set<(reason: CoordinationError) => void>();
  readonly #over = new AbortController();
  readonly #connected = Promise.withResolvers<void>();
  #credentials: SessionCredentials;
  #provenAtMs = -Infinity;

  /**
   * Opens a session on one server, or attaches to an existing session.
   * @throws CoordinationError SESSION_EXPIRED, only when the ensemble gave this answer
   */
  static async open(options: ConnectionOptions): Promise<Connection> {
    options.signal?.throwIfAborted();
    const connection = new Connection(options);
    await connection.#handshake(options);
    return connection;
  }

  private constructor({ server, chroot, timeoutMs, credentials, auth, log }: ConnectionOptions) {
    this.server = server;
    this.#chroot = chroot;
    this.#credentials = credentials ?? { id: '', password: '', timeoutMs };
    this.#transport = new Transport({
      server,
      timeoutMs,
      credentials,
      auth,
      log,
      onConnected: () => this.#connected.resolve(),
      onEnded: (reason) => this.#onEnded(reason),
    });
  }

  /** The session as the server negotiated it. */
  get credentials(): SessionCredentials {
    return this.#credentials;
  }

  /** Aborted, with the reason, when either side has ended the connection. It never comes back. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  get usable(): boolean {
    return !this.signal.aborted;
  }

  /**
   * Local monotonic time at which the last acknowledged heartbeat was sent. From then on, the session lives
   * at least as long as its timeout.
   */
  get provenAtMs(): number {
    return this.#provenAtMs;
  }

  get hasChroot(): boolean {
    return this.#chroot !== '';
  }

  /** Watch callbacks that wait on this connection, for the leak tests. */
  get watchCount(): number {
    return this.#watches.size;
  }

  /**
   * A write through the quorum that changes nothing. It proves that this server is connected to a majority
   * and that the session is alive. A server that is cut off would still answer a read or a ping.
   *
   * The answer that we may not delete the node is the same proof. A process without credentials gets it after
   * another one with credentials has protected the tree: the first one keeps its session and its locks until
   * it is restarted.
   * @returns whether we may write there
   */
  async heartbeat(deadlineMs: number): Promise<boolean> {
    const sentAtMs = monotonicMs();
    const path = this.#full(PATHS.heartbeat);
    let isAllowed = true;
    try {
      await this.#ask<undefined>('heartbeat', deadlineMs, (done) =>
        this.#transport.remove(path, NEVER_A_VERSION, accepting(['NO_NODE', 'BAD_VERSION'], done)),
      );
    } catch (error) {
      if (!isCoordinationError(error, 'NO_AUTH')) throw error;
      isAllowed = false;
    }
    this.#provenAtMs = sentAtMs;
    return isAllowed;
  }

  /**
   * The number of a transaction that the ensemble applies now. All numbers that it gives later are higher,
   * unless its data is put back to an earlier state.
   */
  async currentZxid(deadlineMs: number): Promise<bigint> {
    await this.heartbeat(deadlineMs);
    return this.#transport.lastZxid;
  }

  /** Creates the chroot of the connect string if it is missing. The nodes above it are for everybody. */
  async ensureChroot(deadlineMs: number): Promise<void> {
    const parts = this.#chroot.split('/').slice(1);
    for (const [index] of parts.entries()) {
      const path = `/${parts.slice(0, index + 1).join('/')}`;
      const node = { path, data: '', isEphemeral: false, isShared: path !== this.#chroot };
      const stat = await this.#ask<NodeStat | undefined>(`read chroot ${path}`, deadlineMs, (done) =>
        this.#transport.exists(path, undefined, accepting(['NO_NODE'], done)),
      );
      // Read first: where we may not create, a node that exists is not reported as such.
      if (stat !== undefined) continue;
      await this.#ask<undefined>(`create chroot ${path}`, deadlineMs, (done) =>
        this.#transport.create(node, accepting(['NODE_EXISTS'], done)),
      );
    }
  }

  async create(path: string, data: string, ephemeral: boolean, deadlineMs: number): Promise<void> {
    await this.#ask<undefined>(`create ${path}`, deadlineMs, (done) =>
      this.#transport.create({ path: this.#full(path), data, isEphemeral: ephemeral }, done),
    );
  }

  /** Whether everybody may change the node. @throws NO_NODE */
  async isOpen(path: string, deadlineMs: number): Promise<boolean> {
    return this.#ask<boolean>(`read the ACL of ${path}`, deadlineMs, (done) =>
      this.#transport.isOpen(this.#full(path), done),
    );
  }

  /** Allows everybody else only to read the node. Needs credentials. @throws NO_NODE, NO_AUTH */
  async protect(path: string, deadlineMs: number): Promise<void> {
    await this.#ask<undefined>(`protect ${path}`, deadlineMs, (done) =>
      this.#transport.protect(this.#full(path), done),
    );
  }

  async set(path: string, data: string, version: number, deadlineMs: number): Promise<void> {
    await this.#ask<undefined>(`set ${path}`, deadlineMs, (done) =>
      this.#transport.set(this.#full(path), data, version, done),
    );
  }

  async remove(path: string, version: number, deadlineMs: number): Promise<void> {
    await this.#ask<undefined>(`remove ${path}`, deadlineMs, (done) =>
      this.#transport.remove(this.#full(path), version, done),
    );
  }

  /** The node, or undefined if there is none. `onChange` is also called when it is created. */
  async get(path: string, deadlineMs: number, onChange?: () => void): Promise<Node | undefined> {
    for (;;) {
      try {
        return await this.#read<Node | undefined>('get', path, deadlineMs, onChange, (watch, done) =>
          this.#transport.get(this.#full(path), watch, done),
        );
      } catch (error) {
        if (!isCoordinationError(error, 'NO_NODE')) throw error;
        if (onChange === undefined) return undefined;
        // Reading a missing node sets no watch. If the node has appeared in between, read it now.
        if ((await this.exists(path, deadlineMs, onChange)) === undefined) return undefined;
      }
    }
  }

  async exists(path: string, deadlineMs: number, onChange?: () => void): Promise<NodeStat | undefined> {
    return this.#read<NodeStat | undefined>('exists', path, deadlineMs, onChange, (watch, done) =>
      this.#transport.exists(this.#full(path), watch, done),
    );
  }

  async children(path: string, deadlineMs: number, onChange?: () => void): Promise<string[]> {
    return this.#read<string[]>('children', path, deadlineMs, onChange, (watch, done) =>
      this.#transport.children(this.#full(path), watch, done),
    );
  }

  /**
   * Ends the session on the ensemble: when this resolves, its ephemeral nodes are gone. The connection ends
   * in any case.
   * @throws CoordinationError OUTCOME_UNKNOWN if no answer came in time
   */
  async closeSession(deadlineMs: number): Promise<void> {
    try {
      await this.#ask<undefined>('close the session', deadlineMs, (done) =>
        this.#transport.closeSession(done),
      );
    } finally {
      this.destroy('the session was closed');
    }
  }

  /** Ends the connection for good, immediately. Idempotent. */
  destroy(why: string, cause?: unknown): void {
    this.#transport.destroy(new CoordinationError('OUTCOME_UNKNOWN', why, { cause }));
  }

  async #handshake({ credentials, handshakeMs, signal }: ConnectionOptions): Promise<void> {
    const { host, port } = this.server;
    const what = `handshake with ZooKeeper ${host}:${port}`;
    const onAbort = (): void => this.destroy(`${what} given up`, signal?.reason);
    const deadline = this.#deadline(what, handshakeMs);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      this.#transport.connect();
      await this.#connected.promise;
      this.#credentials = this.#transport.negotiated();
      if (credentials !== undefined && credentials.id !== this.#credentials.id)
        throw new CoordinationError('REFUSED', `${what} led to another session than the requested one`);
    } catch (error) {
      this.destroy(messageOf(error), error);
      throw error;
    } finally {
      deadline.clear();
      signal?.removeEventListener('abort', onAbort);
    }
  }

  #onEnded(reason: CoordinationError): void {
    this.#watches.clear();
    this.#connected.reject(reason);
    // After the handshake no caller waits for it.
    this.#connected.promise.catch(() => undefined);
    for (const fail of this.#pending) fail(reason);
    this.#pending.clear();
    this.#over.abort(reason);
  }

  async #read<T>(
    verb: string,
    path: string,
    deadlineMs: number,
    onChange: (() => void) | undefined,
    start: (watch: (() => void) | undefined, done: Done<T>) => void,
  ): Promise<T> {
    const what = `${verb} ${path}`;
    const watch = onChange && this.#watches.add(what, onChange);
    try {
      return await this.#ask<T>(what, deadlineMs, (done) => start(watch, done));
    } catch (error) {
      if (onChange) this.#watches.withdraw(what, onChange);
      throw error;
    }
  }

  async #ask<T>(what: string, deadlineMs: number, start: (done: Done<T>) => void): Promise<T> {
    if (!this.usable) throw new CoordinationError('NOT_CONNECTED', `${what}: not connected`);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const fail = (reason: CoordinationError): void =>
      reject(new CoordinationError('OUTCOME_UNKNOWN', `${what}: ${reason.message}`, { cause: reason }));
    this.#pending.add(fail);
    const deadline = this.#deadline(what, deadlineMs);
    try {
      try {
        start((error, value) => (error ? reject(named(what, error)) : resolve(value)));
      } catch (error) {
        // The client library itself refuses some arguments: an invalid path, too much data.
        throw new CoordinationError('REFUSED', `${what}: ${messageOf(error)}`, { cause: error });
      }
      return await promise;
    } finally {
      deadline.clear();
      this.#pending.delete(fail);
    }
  }

  #deadline(what: string, ms: number): AnswerDeadline {
    return new AnswerDeadline(ms, () => this.destroy(new DeadlineError(what, ms).message));
  }

  #full(path: string): string {
    return path === '/' && this.#chroot !== '' ? this.#chroot : this.#chroot + path;
  }
}

/** A `done` that treats these errors as success. */
function accepting<T>(codes: CoordinationErrorCode[], done: Done<T | undefined>): Done<T | undefined> {
  return (error) => done(isCoordinationError(error, ...codes) ? undefined : error, undefined);
}
