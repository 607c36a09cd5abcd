import { monotonicMs } from '../../runtime/clock.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import { delayFor, pauseQuietly, withDeadline } from '../../runtime/retry.ts';
import { StoreUnavailableError } from '../store-errors.ts';
import { SCRIPTS } from './redis-scripts.ts';
import { connectRedis, type RedisLink } from './redis.ts';

/** Channels of one connection. Their messages arrive in the order in which the server executed PUBLISH. */
export interface Subscription {
  readonly channels: readonly string[];
  onMessage(channel: string, message: string): void;
}

export interface ReconnectingLinkOptions {
  readonly name: string;
  readonly log: Log;
  /** Deadline of connecting, up to the first answer. Default 1,000. */
  readonly connectTimeoutMs?: number;
  /** Subscribed to on every new connection, before it is used. */
  readonly subscription?: Subscription;
  /** Called after every new connection. */
  readonly onConnected?: () => void;
  /** Called after the loss of every connection. */
  readonly onLost?: () => void;
}

const RECONNECT = { baseMs: 20, maxMs: 250 };
/** A connection that lasted this long is followed by a quick attempt, a shorter one by a slower attempt. */
const LASTED_MS = 500;

/**
 * Keeps one connection to a Redis server: connects immediately, and again after every loss, until it is
 * disposed.
 */
export class ReconnectingLink implements AsyncDisposable {
  readonly #name: string;
  readonly #options: ReconnectingLinkOptions;
  readonly #stopping = new AbortController();
  readonly #finished: Promise<void>;
  #link: RedisLink | undefined;
  #arrival = Promise.withResolvers<void>();
  #awayReason = 'not connected yet';
  #hasReportedAway = false;

  constructor(url: string, options: ReconnectingLinkOptions) {
    this.#name = options.name;
    this.#options = options;
    this.#finished = this.#stayConnected(url);
  }

  get isConnected(): boolean {
    return this.#link !== undefined;
  }

  /** The connection. @throws StoreUnavailableError while there is none */
  get(): RedisLink {
    if (this.#link === undefined) throw new StoreUnavailableError(this.#name, this.#awayReason);
    return this.#link;
  }

  /** Resolves to whether there was a connection within `timeoutMs`. */
  async whenConnected(timeoutMs: number): Promise<boolean> {
    const arrived = withDeadline(this.#name, timeoutMs, () => this.#arrival.promise, this.#stopping.signal);
    return arrived.then(
      () => true,
      () => false,
    );
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
      attempt = monotonicMs() - startedAt > LASTED_MS ? 0 : attempt + 1;
      await pauseQuietly(delayFor(attempt, RECONNECT), signal);
    }
  }

  async #connect(url: string): Promise<RedisLink> {
    const { subscription, connectTimeoutMs: deadlineMs = 1_000 } = this.#options;
    const link = await connectRedis(url, {
      name: this.#name,
      deadlineMs,
      signal: this.#stopping.signal,
      ...(subscription && {
        onMessage: (channel: string, message: string) => subscription.onMessage(channel, message),
      }),
    });
    const prepare = async (): Promise<void> => {
      if (subscription) await link.send('SUBSCRIBE', subscription.channels);
      else
        await Promise.all(
          Object.values(SCRIPTS).map(async ({ source }) => link.send('SCRIPT', ['LOAD', source])),
        );
    };
    try {
      await withDeadline(`preparing ${this.#name}`, deadlineMs, prepare, this.#stopping.signal);
    } catch (error) {
      link.destroy();
      throw error;
    }
    return link;
  }

  #arrived(link: RedisLink): void {
    this.#link = link;
    this.#hasReportedAway = false;
    this.#options.log.info({ redis: this.#name }, 'redis connected');
    this.#arrival.resolve();
    this.#options.onConnected?.();
  }

  #left(cause: unknown): void {
    const isLoss = this.#link !== undefined;
    const isFirstReport = isLoss || !this.#hasReportedAway;
    if (isLoss) this.#arrival = Promise.withResolvers();
    this.#link = undefined;
    this.#awayReason = messageOf(cause);
    if (isLoss) this.#options.onLost?.();
    if (this.#stopping.signal.aborted) return;
    // There are four attempts a second, so only the first failure is a warning.
    const level = isFirstReport ? 'warn' : 'debug';
    this.#options.log[level]({ redis: this.#name, reason: this.#awayReason }, 'redis away');
    this.#hasReportedAway = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(new StoreUnavailableError(this.#name, 'it is being closed'));
    this.#link?.destroy();
    await this.#finished;
  }
}
