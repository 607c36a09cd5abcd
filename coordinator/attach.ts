import { messageOf } from '../runtime/errors.ts';
import type { Log } from '../runtime/log.ts';
import { delayFor, pause, pauseQuietly } from '../runtime/retry.ts';
import type { ConnectString, Server } from './connect-string.ts';
import { Connection } from './connection.ts';
import { CoordinationError, isCoordinationError, notAllowed } from './errors.ts';
import { protectTree } from './protection.ts';
import type { SessionCredentials } from './transport.ts';

/**
 * A hung server must not delay the others: the next one is tried after this time, while the first attempt
 * goes on.
 */
const STAGGER_MS = 100;
/** Pause between rounds in which every server failed, to avoid a storm of reconnects. */
const RETRY = { baseMs: 20, maxMs: 500 };
/** Each round waits longer than the one before, at most this many times as long as the first. */
const MAX_PATIENCE = 4;
const GIVEN_UP = 'the attempt was given up';

/** How long one server may take for connect and handshake, for a session of this timeout. */
export function handshakeFor(timeoutMs: number): number {
  return Math.min(Math.max(timeoutMs / 3, 300), 5000);
}

/** The servers of an ensemble. Those that failed most recently stand at the end. */
export class ServerOrder {
  readonly chroot: string;
  #servers: Server[];

  constructor({ servers, chroot }: ConnectString) {
    this.chroot = chroot;
    this.#servers = shuffled(servers);
  }

  get servers(): readonly Server[] {
    return this.#servers;
  }

  demote(server: Server): void {
    this.#servers = [...this.#servers.filter((other) => other !== server), server];
  }
}

export interface AttachOptions {
  readonly order: ServerOrder;
  readonly timeoutMs: number;
  /** The session to attach to; without it each attempt opens a new one. */
  readonly credentials?: SessionCredentials | undefined;
  /** `user:password`, by which the ensemble knows our processes. */
  readonly auth?: string | undefined;
  /** Limit for connect and handshake with one server, and the same again for `prove`. */
  readonly handshakeMs: number;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Decides whether an attempt succeeds. Runs on the new connection, which is destroyed when it rejects. */
  readonly prove: (connection: Connection, deadlineMs: number) => Promise<void>;
}

/**
 * One round over all servers, staggered. The first success wins; the other attempts are destroyed.
 *
 * @throws CoordinationError SESSION_EXPIRED as soon as one server gives this answer: it is final
 * @throws CoordinationError UNAVAILABLE when every attempt has failed
 */
export async function attach(options: AttachOptions): Promise<Connection> {
  options.signal.throwIfAborted();
  const over = new AbortController();
  const signal = AbortSignal.any([options.signal, over.signal]);
  const { promise: decided, resolve, reject } = Promise.withResolvers<Connection>();
  const stop = (): void => reject(options.signal.reason);
  options.signal.addEventListener('abort', stop, { once: true });
  try {
    void tryAll(options, signal, {
      won: (connection) => {
        if (over.signal.aborted) connection.destroy(GIVEN_UP);
        over.abort();
        resolve(connection);
      },
      failed: (error) => {
        over.abort();
        reject(error);
      },
    });
    return await decided;
  } finally {
    over.abort();
    options.signal.removeEventListener('abort', stop);
  }
}

/**
 * Rounds of {@link attach} with pauses between them, until one succeeds. Later rounds wait longer for an
 * answer: against a slow ensemble, repeating the same short deadline would cause work without a result.
 * @throws CoordinationError SESSION_EXPIRED, or the reason of the signal. No other failure ends the rounds.
 */
export async function attachPatiently(
  options: AttachOptions,
  onFailedRound: (round: number, error: unknown) => void,
): Promise<Connection> {
  for (let round = 0; ; round += 1) {
    try {
      return await attach({
        ...options,
        handshakeMs: options.handshakeMs * Math.min(round + 1, MAX_PATIENCE),
      });
    } catch (error) {
      options.signal.throwIfAborted();
      if (isCoordinationError(error, 'SESSION_EXPIRED')) throw error;
      onFailedRound(round, error);
      await pause(delayFor(round, RETRY), options.signal);
    }
  }
}

interface Outcome {
  readonly won: (connection: Connection) => void;
  readonly failed: (error: unknown) => void;
}

export interface OpenFirstOptions {
  readonly order: ServerOrder;
  /** For the message of the error. */
  readonly connect: string;
  readonly timeoutMs: number;
  readonly auth: string | undefined;
  readonly log: Log;
  readonly openTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Opens a new session: rounds of {@link attach}, until a server has a quorum, the chroot exists, and with
 * credentials the tree is protected.
 * @throws CoordinationError UNAVAILABLE when no server answers in time or the credentials are wrong; or the
 *   reason of the signal
 */
export async function openFirst(options: OpenFirstOptions): Promise<Connection> {
  const { order, connect, timeoutMs, auth, log, openTimeoutMs } = options;
  const deadline = AbortSignal.timeout(openTimeoutMs);
  const signal = options.signal ? AbortSignal.any([options.signal, deadline]) : deadline;
  const prove = async (fresh: Connection, deadlineMs: number): Promise<void> => {
    if (!(await fresh.heartbeat(deadlineMs))) throw notAllowed(auth);
    await fresh.ensureChroot(deadlineMs);
    if (auth !== undefined) await protectTree(fresh, deadlineMs);
  };
  const handshakeMs = handshakeFor(timeoutMs);
  let last: unknown;
  try {
    const options = { order, timeoutMs, auth, handshakeMs, log, signal, prove };
    return await attachPatiently(options, (_round, error) => {
      last = error;
    });
  } catch (error) {
    options.signal?.throwIfAborted();
    const why = messageOf(last ?? error);
    throw new CoordinationError('UNAVAILABLE', `no session with ZooKeeper at "${connect}": ${why}`, {
      cause: last,
    });
  }
}

async function tryAll(options: AttachOptions, signal: AbortSignal, { won, failed }: Outcome): Promise<void> {
  const failures: unknown[] = [];
  const attempts: Promise<void>[] = [];
  for (const server of options.order.servers) {
    const attempt = tryServer(options, server, signal).then(won, (error: unknown) => {
      failures.push(error);
      if (isCoordinationError(error, 'SESSION_EXPIRED')) failed(error);
      else if (!signal.aborted) options.order.demote(server);
    });
    attempts.push(attempt);
    // The next server is tried immediately when this one has refused, otherwise after the stagger.
    await Promise.race([attempt, pauseQuietly(STAGGER_MS, signal)]);
    if (signal.aborted) return;
  }
  await Promise.all(attempts);
  failed(
    new CoordinationError(
      'UNAVAILABLE',
      `no ZooKeeper server accepted the session: ${failures.map(messageOf).join('; ')}`,
    ),
  );
}

async function tryServer(options: AttachOptions, server: Server, signal: AbortSignal): Promise<Connection> {
  const { order, timeoutMs, credentials, auth, handshakeMs, log, prove } = options;
  const connection = await Connection.open({
    server,
    chroot: order.chroot,
    timeoutMs,
    credentials,
    auth,
    handshakeMs,
    log,
    signal,
  });
  const giveUp = (): void => connection.destroy(GIVEN_UP);
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    signal.throwIfAborted();
    await prove(connection, handshakeMs);
    return connection;
  } catch (error) {
    connection.destroy(GIVEN_UP);
    throw error;
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, rank: Math.random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ item }) => item);
}
