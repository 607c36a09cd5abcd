import { reserveIds } from '../../db/counter/reserve-ids.ts';
import type { CounterMarks } from '../../db/counter/counter-marks.ts';
import type { IdRange, Keyspace } from '../../db/keyspace/key.ts';
import { idsFor } from '../../db/keyspace/loose-ends.ts';
import type { IdCounter } from '../../db/redis/id-counter.ts';
import { AnswerDeadline } from '../../runtime/answer-deadline.ts';
import type { Breaker } from '../../runtime/breaker.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import { isLow, type BatchPolicy } from './batch-size.ts';
import { findUnboundAbove } from './bound-above.ts';
import { CounterBatches } from './counter-batches.ts';
import type { CounterMarkWatch } from './counter-mark-watch.ts';
import type { KeySource, TakeOptions } from './key-source.ts';

export interface CounterSourceOptions {
  readonly keyspace: Keyspace;
  /** Of the counter. */
  readonly region: number;
  readonly redis: Pick<IdCounter, 'name' | 'next'>;
  readonly marks: CounterMarks;
  /** Knows the highest mark that was ever read. */
  readonly watch: CounterMarkWatch;
  readonly breaker: Breaker;
  readonly batches: BatchPolicy;
  /** Reads which of these keys are bound already. */
  readonly findBound: (keys: readonly string[]) => Promise<ReadonlySet<string>>;
  readonly onBatch: (by: 'redis' | 'mark') => void;
  /** Ids that nobody uses any more. */
  readonly onWasted: (ids: number) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly log: Log;
}

/** How long keys are checked before use after one was bound already. A take of free keys ends it sooner. */
const SUSPICION_MS = 30_000;

/**
 * Keys by counter: this mapper reserves batches of ids that nobody else gets, and makes their keys. The next
 * batch is reserved in the background, so a request waits for one only when all are used up.
 */
export class CounterSource implements KeySource {
  readonly name = 'counter';
  readonly #options: CounterSourceOptions;
  readonly #batches: CounterBatches;
  #size: number;
  /** When the first key of the last batch was drawn. Undefined: none was. */
  #drawnSinceMs: number | undefined;
  #reserving: Promise<void> | undefined;
  #suspectUntilMs = 0;
  /** A bound key up to this id says nothing new. */
  #trustedFrom = 0;
  #mustLift = false;
  #isWithoutRedis = false;
  /** Why the last batch could not be reserved. Undefined: it could. */
  #failure: string | undefined;

  constructor(options: CounterSourceOptions) {
    this.#options = options;
    this.#size = options.batches.first;
    this.#batches = new CounterBatches(options);
  }

  /** Keys in memory, and those of one more batch if it can be had. */
  get level(): number {
    return this.inMemory + (this.#options.breaker.isClosed ? this.#size : 0);
  }

  /** About how many keys are in memory. */
  get inMemory(): number {
    return this.#batches.size;
  }

  /** Whether further batches can be had. */
  get canReserve(): boolean {
    return this.#options.breaker.isClosed;
  }

  get isHealthy(): boolean {
    return this.inMemory > 0 || this.canReserve;
  }

  get isSuspect(): boolean {
    return this.#options.now() < this.#suspectUntilMs;
  }

  /** Ids that are left. */
  ranges(): IdRange[] {
    return this.#batches.ranges();
  }

  /** Keys that were put back. */
  returned(): readonly string[] {
    return this.#batches.returned();
  }

  readonly pool = {
    take: async (count: number, { timeoutMs }: TakeOptions): Promise<{ keys: string[]; level: number }> => {
      const keys = this.#draw(count);
      if (keys.length < count) keys.push(...(await this.#drawWithin(timeoutMs, count - keys.length)));
      this.#reserveIfLow();
      return { keys, level: this.level };
    },
    putBack: async (keys: readonly string[]): Promise<void> => {
      this.#batches.putBack(keys);
    },
  };

  /** Repeatedly called: reserves the first batch, and tries again after a failure. Never rejects. */
  async poll(): Promise<void> {
    const { breaker } = this.#options;
    if (breaker.isClosed ? this.#isLow : breaker.tryTrial()) await this.#reserve();
  }

  /** Reserving reports for itself how it ends. */
  answered(): void {}

  failed(): void {}

  /**
   * A bound key: the counter and its mark have gone back, and ids are given out again. Nothing that is in
   * memory is used, and the mark is lifted past all ids that may have been given out.
   */
  suspect(key: string): void {
    const { keyspace, watch, onWasted, now } = this.#options;
    const id = keyspace.locate(key)?.id ?? 0;
    if (id <= this.#trustedFrom) return;
    this.#trustedFrom = Math.max(watch.known ?? 0, id);
    this.#suspectUntilMs = now() + SUSPICION_MS;
    this.#mustLift = true;
    onWasted(this.#batches.clear());
  }

  clear(): void {
    this.#suspectUntilMs = 0;
  }

  /** It makes its keys itself. */
  gaveMalformed(): void {}

  async hasKeysAhead(): Promise<boolean> {
    return true;
  }

  get #isLow(): boolean {
    return isLow(this.#batches.size, this.#size);
  }

  #draw(count: number): string[] {
    const keys = this.#batches.draw(count);
    if (keys.length > 0) this.#drawnSinceMs ??= this.#options.now();
    return keys;
  }

  /** Waits for further batches, which go on afterwards, for at most `timeoutMs`. */
  async #drawWithin(timeoutMs: number, count: number): Promise<string[]> {
    const { promise: timeIsUp, resolve } = Promise.withResolvers<false>();
    const deadline = new AnswerDeadline(timeoutMs, () => resolve(false));
    const keys: string[] = [];
    let hasTime = true;
    while (hasTime && keys.length < count && this.#options.breaker.isClosed) {
      const reserved = this.#reserve(count - keys.length).then(() => true);
      hasTime = await Promise.race([reserved, timeIsUp]);
      keys.push(...this.#draw(count - keys.length));
    }
    deadline.clear();
    return keys;
  }

  #reserveIfLow(): void {
    if (this.#isLow && this.#options.breaker.isClosed) void this.#reserve();
  }

  /** Reserves the next batch, once at a time. Never rejects. @param atLeast keys that are needed now */
  async #reserve(atLeast = 0): Promise<void> {
    this.#reserving ??= this.#reserveNext(atLeast).finally(() => (this.#reserving = undefined));
    return this.#reserving;
  }

  async #reserveNext(atLeast: number): Promise<void> {
    const { keyspace, redis, marks, breaker, batches, onBatch, onWasted, now, log } = this.#options;
    if (this.#drawnSinceMs !== undefined) this.#size = batches.next(this.#size, now() - this.#drawnSinceMs);
    this.#drawnSinceMs = undefined;
    let isWithoutRedis = false;
    try {
      await this.#liftIfNeeded();
      const floor = await this.#readMark();
      const { first, last, by } = await reserveIds({
        redis,
        marks,
        count: Math.max(this.#size, idsFor(atLeast)),
        floor,
        maxId: keyspace.maxId,
        onWasted,
        onWithoutRedis: (error) => {
          isWithoutRedis = true;
          if (!this.#isWithoutRedis)
            log.warn({ redis: redis.name, reason: messageOf(error) }, 'counter: not used, only its mark is');
        },
        onSetBack: (counter, mark) =>
          log.warn({ redis: redis.name, counter, mark }, 'counter: far ahead of its mark, set back to it'),
      });
      this.#options.watch.saw(last);
      // While it was under way, a key turned out to be bound.
      if (this.#mustLift) onWasted(last - first + 1);
      else this.#batches.add({ first, last });
      breaker.succeeded();
      onBatch(by);
      this.#noteRedis(isWithoutRedis);
      this.#noteFailure(undefined);
    } catch (error) {
      breaker.failed(error);
      this.#noteFailure(messageOf(error));
    }
  }

  /**
   * The highest mark that is known. After a failure, first proves that the mark can be moved at all, before
   * anything is proposed: a users database may answer reads and refuse writes.
   */
  async #readMark(): Promise<number> {
    const { marks, watch } = this.#options;
    const { highest } = await watch.read();
    if (this.#failure !== undefined) await marks.raiseTo(highest);
    return highest;
  }

  async #liftIfNeeded(): Promise<void> {
    const { marks, watch, log } = this.#options;
    while (this.#mustLift) {
      const from = Math.max(watch.known ?? 0, this.#trustedFrom, await marks.read());
      const to = await findUnboundAbove(from, this.#options);
      await marks.raiseTo(to);
      // Meanwhile, a key that was in use may have turned out to be bound above it.
      this.#mustLift = this.#trustedFrom > to;
      this.#trustedFrom = Math.max(this.#trustedFrom, watch.saw(to));
      log.error(
        { from, to },
        'counter: it had gone back with its mark, which was raised past all bound keys',
      );
    }
  }

  #noteRedis(isWithoutRedis: boolean): void {
    if (this.#isWithoutRedis && !isWithoutRedis)
      this.#options.log.info({ redis: this.#options.redis.name }, 'counter: used again');
    this.#isWithoutRedis = isWithoutRedis;
  }

  #noteFailure(reason: string | undefined): void {
    if (this.#failure === undefined && reason !== undefined)
      this.#options.log.warn({ reason }, 'counter: no batch could be reserved');
    else if (this.#failure !== undefined && reason === undefined)
      this.#options.log.info('counter: batches are reserved again');
    this.#failure = reason;
  }
}
