import { monotonicMs } from '../../runtime/clock.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import { delayFor, pauseQuietly, withDeadline } from '../../runtime/retry.ts';
import { connectRedis, NotSentError, ReplyError, type RedisLink } from './redis.ts';
import { SCRIPTS, type Script } from './redis-scripts.ts';
import { OutcomeUnknownError, StoreUnavailableError } from '../store-errors.ts';

/**
 * A Redis server as the rest of the program sees it: there or not there, never waiting.
 *
 * - *away*: no connection. Commands are refused at once; a new connection is tried every 250 ms or sooner.
 * - *connected*: commands are sent at once, each with a deadline.
 * - *overdue*: connected, but some command has passed its deadline unanswered. New commands are refused at once, so that
 *   nothing piles up in front of a hung server. Leaves to *connected* when the late answers arrive, to *away* when the
 *   oldest is `hangMs` late (the connection is then cut: a path that swallows packets never says so itself).
 *
 * A PING every second notices the same of an idle connection, and behind a command with a long deadline.
 */
export interface RedisClient extends AsyncDisposable {
  readonly name: string;
  /** Connected, and not overdue. */
  readonly isConnected: boolean;
  /** Resolves to whether the server was connected within `timeoutMs`. */
  whenConnected(timeoutMs: number): Promise<boolean>;
  /**
   * @throws StoreUnavailableError when it was not executed: away, overdue, or refused by Redis (OOM, READONLY, LOADING, …)
   * @throws OutcomeUnknownError when it was sent and not answered, in time or at all
   */
  command(name: string, args: readonly (string | number)[], options?: CommandOptions): Promise<unknown>;
  /** Runs a script by its hash, and by its text when Redis does not know it: that answer means that it did not run. */
  run(
    script: Script,
    keys: readonly string[],
    args: readonly (string | number)[],
    options?: CommandOptions,
  ): Promise<unknown>;
}

export interface CommandOptions {
  readonly timeoutMs?: number;
  /** Receives a reply that arrives after the deadline, for commands whose effect must not be forgotten. */
  readonly onLate?: (reply: unknown) => void;
}

export interface RedisClientOptions {
  readonly name: string;
  readonly log: Log;
  /** Deadline of a command, in ms. Default 1,000. */
  readonly commandTimeoutMs?: number;
  /** Deadline of connecting, up to the first answer. Default 1,000. */
  readonly connectTimeoutMs?: number;
  /** How long after its deadline a command may stay unanswered before the connection is cut. Default 3,000. */
  readonly hangMs?: number;
  /** Runs on every new connection before it is used. */
  readonly subscription?: { readonly channel: string; onMessage(message: string): void };
  /** Called after every new connection. */
  readonly onConnected?: () => void;
}

const RECONNECT = { baseMs: 20, maxMs: 250 };
const HEARTBEAT_MS = 1_000;
/** Above this many unanswered commands new ones are refused: every queue is bounded. */
const MAX_IN_FLIGHT = 10_000;

/** Starts connecting and returns at once: a server that is down at start is no reason not to start. */
export function openRedis(url: string, options: RedisClientOptions): RedisClient {
  return new ReconnectingClient(url, options);
}

class ReconnectingClient implements RedisClient {
  readonly name: string;
  readonly #options: RedisClientOptions;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  readonly #finished: Promise<void>;
  readonly #heartbeat: NodeJS.Timeout;
  #link: RedisLink | undefined;
  #inFlight = 0;
  #overdue = 0;
  #arrival = Promise.withResolvers<void>();
  #awayBecause = 'not connected yet';
  #isKnownAway = false;

  constructor(url: string, options: RedisClientOptions) {
    this.name = options.name;
    this.#options = options;
    this.#log = options.log;
    this.#finished = this.#stayConnected(url);
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS).unref();
  }

  get isConnected(): boolean {
    return this.#link !== undefined && this.#overdue === 0;
  }

  async whenConnected(timeoutMs: number): Promise<boolean> {
    const arrived = withDeadline(this.name, timeoutMs, () => this.#arrival.promise, this.#stopping.signal);
    return arrived.then(
      () => this.isConnected,
      () => false,
    );
  }

  async command(
    name: string,
    args: readonly (string | number)[],
    options?: CommandOptions,
  ): Promise<unknown> {
    return this.#send(name, options, async (link) => link.send(name, args));
  }

  async run(
    script: Script,
    keys: readonly string[],
    args: readonly (string | number)[],
    options?: CommandOptions,
  ): Promise<unknown> {
    return this.#send(script.name, options, async (link, expired) => {
      try {
        return await link.send('EVALSHA', [script.sha1, keys.length, ...keys, ...args]);
      } catch (error) {
        if (!(error instanceof ReplyError) || error.code !== 'NOSCRIPT' || expired()) throw error;
        return link.send('EVAL', [script.source, keys.length, ...keys, ...args]);
      }
    });
  }

  async #send(
    what: string,
    { timeoutMs = this.#options.commandTimeoutMs ?? 1_000, onLate }: CommandOptions = {},
    work: (link: RedisLink, expired: () => boolean) => Promise<unknown>,
  ): Promise<unknown> {
    const link = this.#usableLink();
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    let expired = false;
    let settled = false;
    let hangTimer: NodeJS.Timeout | undefined;
    const expire = (): void => {
      if (settled) return;
      expired = true;
      this.#overdue += 1;
      reject(new OutcomeUnknownError(this.name, `no answer to ${what} within ${timeoutMs} ms`));
      hangTimer = setTimeout(() => link.destroy(), this.#options.hangMs ?? 3_000);
    };
    // After a stalled event loop timers run before the sockets are read: look once at what has already arrived.
    const timer = setTimeout(() => setImmediate(expire), timeoutMs);
    const settle = (): boolean => {
      settled = true;
      this.#inFlight -= 1;
      if (expired) this.#overdue -= 1;
      clearTimeout(timer);
      clearTimeout(hangTimer);
      return expired;
    };
    this.#inFlight += 1;
    work(link, () => expired).then(
      (reply) => (settle() ? onLate?.(reply) : resolve(reply)),
      (error: unknown) => (settle() ? undefined : reject(this.#translate(what, error))),
    );
    return promise;
  }

  #usableLink(): RedisLink {
    if (this.#link === undefined) throw new StoreUnavailableError(this.name, this.#awayBecause);
    if (this.#overdue > 0) {
      throw new StoreUnavailableError(
        this.name,
        `${this.#overdue} earlier commands are past their deadline unanswered`,
      );
    }
    if (this.#inFlight >= MAX_IN_FLIGHT) {
      throw new StoreUnavailableError(this.name, `${MAX_IN_FLIGHT} commands are in flight, the most allowed`);
    }
    return this.#link;
  }

  #translate(what: string, cause: unknown): Error {
    if (cause instanceof ReplyError) {
      return new StoreUnavailableError(this.name, `${what} was refused: ${cause.message}`, cause);
    }
    if (cause instanceof NotSentError) {
      return new StoreUnavailableError(this.name, cause.message, cause);
    }
    return new OutcomeUnknownError(this.name, `lost before it answered ${what}: ${messageOf(cause)}`, cause);
  }

  async #stayConnected(url: string): Promise<void> {
    const { signal } = this.#stopping;
    let attempt = 0;
    while (!signal.aborted) {
      const startedAt = monotonicMs();
      try {
        const link = await this.#connect(url);
        this.#arrived(link);
        this.#left((await link.closed) ?? new Error('the connection was closed'));
      } catch (error) {
        this.#left(error);
      }
      // A connection that lasted is followed by a quick try; one that did not, by a slower one.
      attempt = monotonicMs() - startedAt > 500 ? 0 : attempt + 1;
      await pauseQuietly(delayFor(attempt, RECONNECT), signal);
    }
  }

  async #connect(url: string): Promise<RedisLink> {
    const { subscription, connectTimeoutMs: deadlineMs = 1_000 } = this.#options;
    const link = await connectRedis(url, {
      name: this.name,
      deadlineMs,
      signal: this.#stopping.signal,
      ...(subscription && { onMessage: (message: string) => subscription.onMessage(message) }),
    });
    const prepare = async (): Promise<void> => {
      if (subscription) await link.send('SUBSCRIBE', [subscription.channel]);
      else
        await Promise.all(
          Object.values(SCRIPTS).map(async ({ source }) => link.send('SCRIPT', ['LOAD', source])),
        );
    };
    try {
      await withDeadline(`preparing ${this.name}`, deadlineMs, prepare, this.#stopping.signal);
    } catch (error) {
      link.destroy();
      throw error;
    }
    return link;
  }

  #arrived(link: RedisLink): void {
    this.#link = link;
    this.#isKnownAway = false;
    this.#log.info({ redis: this.name }, 'redis connected');
    this.#arrival.resolve();
    this.#options.onConnected?.();
  }

  #left(cause: unknown): void {
    const isNews = this.#link !== undefined || !this.#isKnownAway;
    if (this.#link !== undefined) this.#arrival = Promise.withResolvers();
    this.#link = undefined;
    this.#awayBecause = messageOf(cause);
    if (this.#stopping.signal.aborted) return;
    // Tried four times a second: only the first failure is worth a line of its own.
    this.#log[isNews ? 'warn' : 'debug']({ redis: this.name, reason: this.#awayBecause }, 'redis away');
    this.#isKnownAway = true;
  }

  #beat(): void {
    if (!this.isConnected) return;
    this.command('PING', []).catch(() => undefined); // noticed where it happens
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#heartbeat);
    this.#stopping.abort(new StoreUnavailableError(this.name, 'it is being closed'));
    this.#link?.destroy();
    await this.#finished;
  }
}
