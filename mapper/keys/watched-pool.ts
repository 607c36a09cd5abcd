import type { Pool } from '../../db/redis/pool.ts';
import { isContradiction, MismatchError, type Contradiction } from '../../db/store-errors.ts';
import type { Breaker } from '../../runtime/breaker.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { KeySource } from './key-source.ts';
import { isPoolKey } from '../../db/keyspace/pool-key.ts';
import { Refusal, type RefusalReason } from './refusal.ts';

export interface WatchedPoolOptions {
  readonly pool: Pool;
  readonly breaker: Breaker;
  /** Characters of a key. */
  readonly keyLength: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly log: Log;
}

/**
 * How long a pool that handed out a bound key is drawn from last. A take without any bound key ends it
 * sooner.
 */
const SUSPICION_MS = 30_000;
/**
 * How long a pool is not drawn from after a take with malformed keys, at least: this bounds the keys it
 * costs.
 */
const MALFORMED_REST_MS = 5_000;
/** How many texts are looked at to judge a pool that gave malformed keys. */
const HEAD_TEXTS = 16;

/** A pool of keys, and the mapper's observations of it: health, level, and whether its keys are suspect. */
export class WatchedPool implements KeySource {
  readonly pool: Pool;
  readonly #options: WatchedPoolOptions;
  readonly #refusal: Refusal;
  #level = 0;
  #suspectUntilMs = 0;
  #restsUntilMs = 0;

  constructor(options: WatchedPoolOptions) {
    this.pool = options.pool;
    this.#options = options;
    this.#refusal = new Refusal(options.pool.name, options.log);
  }

  get name(): string {
    return this.pool.name;
  }

  /** Last known number of keys: every take and every poll returns it. */
  get level(): number {
    return this.#level;
  }

  get isHealthy(): boolean {
    return this.#options.breaker.isClosed && this.pool.isConnected && this.refusal === undefined;
  }

  /** Why the pool is not used although it answers. Undefined when that is not so. */
  get refusal(): RefusalReason | undefined {
    return this.#refusal.reason;
  }

  /**
   * It handed out a key that was bound already. A Redis restored from an old snapshot is full of such keys.
   */
  get isSuspect(): boolean {
    return this.#options.now() < this.#suspectUntilMs;
  }

  answered(level: number): void {
    this.#level = level;
    this.#options.breaker.succeeded();
  }

  /** A call has failed. */
  failed(error: unknown): void {
    if (isContradiction(error)) this.#refuse(error);
    else this.#options.breaker.failed(error);
  }

  suspect(): void {
    this.#suspectUntilMs = this.#options.now() + SUSPICION_MS;
  }

  clear(): void {
    this.#suspectUntilMs = 0;
  }

  /** A take returned texts that are no keys: the pool is not drawn from until its head has keys again. */
  gaveMalformed(count: number): void {
    this.#restsUntilMs = this.#options.now() + MALFORMED_REST_MS;
    this.#refusal.begin(
      'malformed',
      `a take returned ${count} texts that are no keys of ${this.#options.keyLength} characters: ` +
        'look at its head, and remove what is no key (LREM) or empty it (DEL)',
    );
  }

  /** Whether a key is among the next texts of the pool. Undefined when it has none. */
  async hasKeysAhead(timeoutMs: number): Promise<boolean | undefined> {
    const texts = await this.pool.head(HEAD_TEXTS, { timeoutMs });
    if (texts.length === 0) return undefined;
    return texts.some((text) => isPoolKey(text, this.#options.keyLength));
  }

  /**
   * Reads the level, and compares the keyspace of the pool with ours. While the pool is healthy this keeps
   * the level fresh; otherwise it is the trial that can close the breaker or end a refusal.
   * @throws MismatchError when the pool belongs to another keyspace
   */
  async poll(timeoutMs: number): Promise<void> {
    const { breaker, now } = this.#options;
    if (!breaker.isClosed && !breaker.tryTrial()) return;
    try {
      this.answered(await this.pool.level({ timeoutMs }));
      if (this.refusal === 'malformed') {
        if (now() < this.#restsUntilMs || (await this.hasKeysAhead(timeoutMs)) === false) return;
      }
      this.#refusal.end();
    } catch (error) {
      this.failed(error);
      if (error instanceof MismatchError) throw error;
    }
  }

  /** {@link poll} for the background: a pool of another keyspace is not used until it is ours. */
  async pollQuietly(timeoutMs: number): Promise<void> {
    await this.poll(timeoutMs).catch(() => undefined);
  }

  /** The Redis answers, so its breaker closes. */
  #refuse(error: Contradiction): void {
    this.#options.breaker.succeeded();
    this.#refusal.begin(error instanceof MismatchError ? 'mismatch' : 'impossible', messageOf(error));
  }
}

/**
 * The healthy pools in the order in which to draw: clean before suspect, then the fullest by last known
 * level. A pool last seen empty stays in the list, because it may have been refilled since.
 */
export function inDrawOrder(pools: readonly KeySource[]): KeySource[] {
  return pools
    .filter(({ isHealthy }) => isHealthy)
    .sort((a, b) => Number(a.isSuspect) - Number(b.isSuspect) || b.level - a.level);
}
