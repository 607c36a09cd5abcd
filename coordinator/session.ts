import { monotonicMs } from '../runtime/clock.ts';
import { messageOf } from '../runtime/errors.ts';
import type { Log } from '../runtime/log.ts';
import { pauseQuietly } from '../runtime/retry.ts';
import { attachPatiently, handshakeFor, openFirst, ServerOrder } from './attach.ts';
import { closeOver, closeSession } from './close-session.ts';
import { parseConnectString, type Server } from './connect-string.ts';
import type { Connection } from './connection.ts';
import { CoordinationError, isCoordinationError } from './errors.ts';
import { LivenessClock } from './liveness.ts';
import { SessionEvents, type SessionState, type StateListener } from './session-events.ts';
import { SessionNodes } from './session-nodes.ts';
import type { SessionCredentials } from './transport.ts';

export type { Node } from './node.ts';
export type { SessionCredentials } from './transport.ts';

export type { SessionState } from './session-events.ts';

export interface SessionOptions {
  /** `host:port,host:port/chroot`. A missing chroot is created. */
  readonly connect: string;
  /** Requested. The ensemble limits it. */
  readonly timeoutMs: number;
  /**
   * `user:password`. With it, others may only read the nodes of this session and the parents of all nodes.
   * Without it, everybody may change them.
   */
  readonly auth?: string | undefined;
  readonly log: Log;
  readonly signal?: AbortSignal;
  /** How long to try before giving up. Default: 10 s. */
  readonly openTimeoutMs?: number;
}

const OPEN_TIMEOUT_MS = 10_000;
/** Time limit of close() when the connected server does not answer. */
const CLOSE_MS = 1000;

/**
 * A session with the ensemble: the root of everything that this process owns. {@link SessionState} explains
 * its states.
 */
export class Session extends SessionNodes {
  readonly #connect: string;
  readonly #auth: string | undefined;
  readonly #order: ServerOrder;
  readonly log: Log;
  readonly #ended = new AbortController();
  readonly #events: SessionEvents;
  readonly #watchdog: NodeJS.Timeout;
  #state: SessionState = 'suspended';
  #connection: Connection;
  #clock: LivenessClock;
  #credentials: SessionCredentials;
  #attachments = 0;
  #isOver = false;
  #closing: Promise<void> | undefined;

  /**
   * Opens a new session.
   * @throws CoordinationError UNAVAILABLE when no server answers in time or the credentials are wrong,
   *   REFUSED for an invalid connect string; the reason of the signal
   */
  static async open(options: SessionOptions): Promise<Session> {
    const { connect, timeoutMs, auth, log, openTimeoutMs = OPEN_TIMEOUT_MS } = options;
    const order = new ServerOrder(parseConnectString(connect));
    const connection = await openFirst({
      order,
      connect,
      timeoutMs,
      auth,
      log,
      openTimeoutMs,
      signal: options.signal,
    });
    return new Session(options, order, connection);
  }

  private constructor(options: SessionOptions, order: ServerOrder, connection: Connection) {
    super();
    this.#connect = options.connect;
    this.#auth = options.auth;
    this.#order = order;
    this.log = options.log;
    this.#events = new SessionEvents(options.log);
    this.#connection = connection;
    this.#credentials = connection.credentials;
    const { timeoutMs } = connection.credentials;
    this.#clock = new LivenessClock(timeoutMs, connection.provenAtMs, monotonicMs());
    this.#watchdog = setInterval(() => {
      this.#check();
      this.#clock.ticked(monotonicMs());
    }, timeoutMs / 20);
    this.#run(connection).catch((error: unknown) => {
      this.log.error({ error, session: this.id }, 'the session cannot be kept');
      this.#end('expired');
    });
  }

  /** 16 hex digits, as in `ephemeralOwner`. */
  get id(): string {
    return this.#credentials.id;
  }

  get credentials(): SessionCredentials {
    return this.#credentials;
  }

  /** T, as negotiated. */
  get timeoutMs(): number {
    return this.#credentials.timeoutMs;
  }

  get state(): SessionState {
    this.#check();
    return this.#state;
  }

  /** The server of the current connection, or of the last one. */
  get server(): Server {
    return this.#connection.server;
  }

  /** Whether the ensemble has confirmed the end. Then nobody needs to close this session any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /**
   * How often a connection was attached. Data that was read at an earlier number must be read again.
   */
  get attachments(): number {
    return this.#attachments;
  }

  /** Aborted when the session has ended for good: expired or closed. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Watch callbacks that wait on the current connection, for the leak tests. */
  get watchCount(): number {
    return this.#connection.watchCount;
  }

  /**
   * Whether the process may write now as the owner of this session. Reads the clock, because a stopped
   * process gets no events.
   */
  mayWrite(): boolean {
    return this.state === 'connected';
  }

  /**
   * `stateChanged` also reports the final states. `attached` means: read everything again.
   * @returns a function that removes the listener
   */
  on(event: 'stateChanged', listener: StateListener): () => void;
  on(event: 'attached', listener: () => void): () => void;
  on(event: 'stateChanged' | 'attached', listener: StateListener & (() => void)): () => void {
    return event === 'attached' ? this.#events.onAttached(listener) : this.#events.onStateChanged(listener);
  }

  /**
   * Ends the session on the ensemble: locks and memberships are gone when this returns. If no server answers
   * in time, they vanish when the session times out.
   */
  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    const connection = this.#connection;
    if (!this.#end('closed')) return;
    this.#isOver = await closeOver(connection);
    if (this.#isOver) return;
    const signal = AbortSignal.timeout(CLOSE_MS);
    const { credentials, log } = this;
    try {
      await closeSession({ connect: this.#connect, credentials, log, signal });
      this.#isOver = true;
    } catch (error) {
      log.warn({ error, session: this.id }, 'session not closed; it ends when it times out');
    }
    connection.destroy('the session was closed');
  }

  /** Runs the session over one connection after another until it has ended. */
  async #run(first: Connection): Promise<void> {
    for (let connection: Connection | undefined = first; connection !== undefined;) {
      this.#begin(connection);
      await this.#beat(connection);
      connection = await this.#reattach();
    }
  }

  #begin(connection: Connection): void {
    if (this.ended.aborted) {
      connection.destroy('the session has ended');
      return;
    }
    this.#connection = connection;
    this.#credentials = connection.credentials;
    this.#clock = new LivenessClock(this.timeoutMs, connection.provenAtMs, monotonicMs());
    this.#attachments += 1;
    connection.signal.addEventListener('abort', () => this.#onDisconnected(connection));
    this.#change('connected');
    this.#events.attached();
    // It may have ended before the listener was added.
    if (!connection.usable) this.#onDisconnected(connection);
  }

  async #beat(connection: Connection): Promise<void> {
    for (let sentAtMs = connection.provenAtMs; connection.usable;) {
      // Measured from send to send, so that a slow answer does not delay the next heartbeat.
      const dueMs = sentAtMs + this.timeoutMs / 3 - monotonicMs();
      await pauseQuietly(Math.max(dueMs, 0), connection.signal);
      if (!connection.usable) return;
      sentAtMs = monotonicMs();
      try {
        await connection.heartbeat(this.operationMs);
        this.#clock.proven(connection.provenAtMs);
      } catch (error) {
        this.log.debug({ error }, 'heartbeat not acknowledged');
      }
    }
  }

  /** The next connection of the same session; undefined when the session has ended. */
  async #reattach(): Promise<Connection | undefined> {
    const handshakeMs = handshakeFor(this.timeoutMs);
    try {
      return await attachPatiently(
        {
          order: this.#order,
          timeoutMs: this.timeoutMs,
          credentials: this.credentials,
          auth: this.#auth,
          handshakeMs,
          log: this.log,
          signal: this.ended,
          prove: async (connection, deadlineMs) => void (await connection.heartbeat(deadlineMs)),
        },
        (round, error) => {
          if (round === 5)
            this.log.warn({ error, session: this.id }, 'no server accepts the session yet; trying again');
        },
      );
    } catch (error) {
      if (isCoordinationError(error, 'SESSION_EXPIRED')) this.#isOver = this.#end('expired');
      return undefined;
    }
  }

  #onDisconnected(connection: Connection): void {
    if (connection !== this.#connection || this.#state !== 'connected') return;
    const reason = messageOf(connection.signal.reason);
    this.log.warn({ session: this.id, server: connection.server, reason }, 'session suspended');
    this.#change('suspended');
  }

  /** Updates the state from the clock. Called by the watchdog and by every read of the state. */
  #check(): void {
    if (this.#ended.signal.aborted) return;
    const liveness = this.#clock.read(monotonicMs());
    if (liveness === 'alive') return;
    if (this.#state === 'connected') {
      const why = liveness === 'stalled' ? 'this process did not run' : 'no acknowledgement';
      this.#connection.destroy(`${why} for too long`);
    }
    if (liveness === 'lost' && this.#state === 'suspended') this.#change('lost');
  }

  #end(state: 'expired' | 'closed'): boolean {
    if (this.#ended.signal.aborted) return false;
    clearInterval(this.#watchdog);
    this.#change(state);
    if (state === 'expired') this.#connection.destroy('session expired');
    this.#ended.abort(
      new CoordinationError(state === 'expired' ? 'SESSION_EXPIRED' : 'NOT_CONNECTED', `session ${state}`),
    );
    return true;
  }

  /** The one place where the state changes. */
  #change(state: SessionState): void {
    const previous = this.#state;
    if (previous === state) return;
    this.#state = state;
    this.log.info({ session: this.id, state, previous }, 'session state changed');
    this.#events.stateChanged(state, previous);
  }

  protected override connectionFor(what: string): Connection {
    const { state } = this;
    if (state !== 'connected')
      throw new CoordinationError('NOT_CONNECTED', `${what}: the session is ${state}`);
    return this.#connection;
  }

  protected override get operationMs(): number {
    return (this.timeoutMs * 2) / 3;
  }
}
