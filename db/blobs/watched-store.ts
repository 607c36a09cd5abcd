import { Breaker, type BreakerState } from '../../runtime/breaker.ts';
import { BLOB_STORE_BREAKER } from '../../runtime/config/breakers.ts';
import type { Log } from '../../runtime/log.ts';
import { endPolls, pollEvery } from '../../runtime/polling.ts';
import { withDeadline } from '../../runtime/retry.ts';
import { StoreUnavailableError } from '../store-errors.ts';
import { BlobRefusedError, isStoreAway } from './blob-errors.ts';
import type { BlobContent, BlobStat, BlobStore, ByteRange, OpenBlob } from './blob-store.ts';

/** `read`: the bytes of a blob broke off after a `get` that was a success. */
export const BLOB_OPERATIONS = ['put', 'get', 'read', 'stat', 'delete', 'list'] as const;
export type BlobOperation = (typeof BLOB_OPERATIONS)[number];

export interface BlobObserver {
  /**
   * After each operation, also one that the breaker refused.
   * @param seconds until a get had its first byte; of a list the time in which it was waited for
   */
  onOperation(operation: BlobOperation, hasFailed: boolean, seconds: number): void;
}

export interface WatchedStoreOptions {
  readonly log: Log;
  readonly observer?: BlobObserver | undefined;
  /** How often a store that nobody uses is looked at. 0: never. */
  readonly pollMs?: number;
  /**
   * How seldom it is found out whether a store takes blobs, while it does. Default: with each look. After a
   * put that was refused, the next look does it.
   */
  readonly writesPollMs?: number;
}

/** No blob has this name. Whether it is there shows that the store answers. */
const POLLED_NAME = 'is-anybody-there';
const POLL_MS = 5_000;

/**
 * A blob store with a circuit breaker: after failures in a row, calls are refused immediately until one trial
 * succeeds. The trials are calls, and a look now and then.
 */
export class WatchedBlobStore implements BlobStore {
  readonly name: string;
  readonly #store: BlobStore;
  readonly #log: Log;
  readonly #observer: BlobObserver | undefined;
  readonly #breaker: Breaker;
  readonly #closing = new AbortController();
  #isUp: boolean | undefined;
  #refusesAll = false;
  #whyAway = 'it has not answered';
  #usedMs = -Infinity;
  readonly #writesPollMs: number;
  /** Undefined: it takes blobs, as far as we know. */
  #whyNoWrites: string | undefined;
  #writesCheckedMs = -Infinity;
  readonly #looked = Promise.withResolvers<void>();
  readonly #polling: Promise<void> | undefined;

  constructor(store: BlobStore, { log, observer, pollMs = POLL_MS, writesPollMs = 0 }: WatchedStoreOptions) {
    this.name = store.name;
    this.#store = store;
    this.#log = log;
    this.#observer = observer;
    this.#writesPollMs = writesPollMs;
    this.#breaker = new Breaker({
      ...BLOB_STORE_BREAKER,
      now: () => performance.now(),
      onChanged: (state) => this.#report(state),
    });
    if (pollMs > 0) this.#polling = pollEvery(pollMs, this.#closing.signal, async () => this.#look(pollMs));
  }

  /** Whether the last call had an answer; false before the first one, and while all is refused. */
  get isUp(): boolean {
    return this.#isUp === true;
  }

  /** Whether it answers and takes blobs. */
  get isWritable(): boolean {
    return this.isUp && this.#whyNoWrites === undefined;
  }

  /** Waits for the end of the first look, for at most `timeoutMs`. */
  async whenLooked(timeoutMs: number): Promise<void> {
    await withDeadline('the first look', timeoutMs, async () => this.#looked.promise).catch(() => undefined);
  }

  async put(name: string, content: BlobContent): Promise<void> {
    try {
      await this.#do('put', async () => this.#store.put(name, content));
    } catch (error) {
      // This blob alone may be to blame.
      if (error instanceof BlobRefusedError) this.#writesCheckedMs = -Infinity;
      throw error;
    }
  }

  async get(name: string, range?: ByteRange, bytes?: number): Promise<OpenBlob | undefined> {
    const blob = await this.#do('get', async () => this.#store.get(name, range, bytes));
    blob?.stream.once('error', (error) => {
      this.#observer?.onOperation('read', true, 0);
      if (isStoreAway(error)) this.#judge(error);
    });
    return blob;
  }

  async stat(name: string): Promise<BlobStat | undefined> {
    return this.#do('stat', async () => this.#store.stat(name));
  }

  async delete(name: string): Promise<void> {
    return this.#do('delete', async () => this.#store.delete(name));
  }

  async *list(prefix: string, after?: string): AsyncGenerator<BlobStat> {
    const entries = this.#store.list(prefix, after)[Symbol.asyncIterator]();
    let waitedMs = 0;
    let hasFailed = false;
    const next = async (): Promise<IteratorResult<BlobStat>> => {
      const beganMs = performance.now();
      try {
        this.#admit();
        const entry = await entries.next();
        this.#answered();
        return entry;
      } catch (error) {
        hasFailed = true;
        this.#judge(error);
        throw error;
      } finally {
        waitedMs += performance.now() - beganMs;
      }
    };
    try {
      for (let entry = await next(); entry.done !== true; entry = await next()) yield entry.value;
    } finally {
      // Also of a reader who has seen enough.
      this.#observer?.onOperation('list', hasFailed, waitedMs / 1_000);
      await entries.return?.();
    }
  }

  async checkWrites(): Promise<void> {
    try {
      this.#admit();
      await this.#store.checkWrites();
      this.#answered();
    } catch (error) {
      this.#judge(error);
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    if (this.#polling !== undefined) await endPolls(this.#polling);
    await this.#store.close();
  }

  async #do<T>(operation: BlobOperation, work: () => Promise<T>): Promise<T> {
    const beganMs = performance.now();
    let hasFailed = true;
    try {
      this.#admit();
      const result = await work();
      this.#answered();
      hasFailed = false;
      return result;
    } catch (error) {
      this.#judge(error);
      throw error;
    } finally {
      this.#observer?.onOperation(operation, hasFailed, (performance.now() - beganMs) / 1_000);
    }
  }

  #admit(): void {
    if (!this.#breaker.isClosed && !this.#breaker.tryTrial())
      throw new BreakerOpenError(this.name, this.#whyAway);
  }

  #answered(): void {
    this.#usedMs = performance.now();
    this.#isUp = true;
    this.#breaker.succeeded();
    if (this.#refusesAll) this.#log.info({ store: this.name }, 'the blob store accepts us again');
    this.#refusesAll = false;
  }

  #judge(error: unknown): void {
    if (error instanceof BreakerOpenError) return;
    if (isStoreAway(error)) {
      this.#usedMs = performance.now();
      this.#isUp = false;
      this.#whyAway = error.reason;
      this.#breaker.failed();
    } else if (error instanceof StoreUnavailableError) {
      this.#breaker.succeeded();
    }
  }

  /** An idle store is looked at, so that its outage is seen before somebody needs it. */
  async #look(pollMs: number): Promise<void> {
    if (performance.now() - this.#usedMs >= pollMs || this.#isUp !== true)
      try {
        await this.stat(POLLED_NAME);
      } catch (error) {
        if (error instanceof BlobRefusedError) this.#noteRefusal(error);
      }
    if (this.isUp) await this.#lookAtWrites();
    this.#looked.resolve();
  }

  async #lookAtWrites(): Promise<void> {
    const isFresh = performance.now() - this.#writesCheckedMs < this.#writesPollMs;
    if (isFresh && this.#whyNoWrites === undefined) return;
    this.#writesCheckedMs = performance.now();
    try {
      await this.checkWrites();
      this.#noteWrites(undefined);
    } catch (error) {
      if (error instanceof BlobRefusedError) this.#noteWrites(error.reason);
    }
  }

  #noteWrites(whyNone: string | undefined): void {
    const store = this.name;
    if (whyNone !== undefined && this.#whyNoWrites === undefined)
      this.#log.warn({ store, reason: whyNone }, 'the blob store takes no blobs');
    if (whyNone === undefined && this.#whyNoWrites !== undefined)
      this.#log.info({ store }, 'the blob store takes blobs again');
    this.#whyNoWrites = whyNone;
  }

  /** A store that is full, or has a damaged blob, still answers whether a blob is there. */
  #noteRefusal({ reason }: BlobRefusedError): void {
    if (!this.#refusesAll) this.#log.warn({ store: this.name, reason }, 'the blob store refuses us');
    this.#refusesAll = true;
    this.#isUp = false;
  }

  #report(state: BreakerState): void {
    const store = this.name;
    if (state === 'open') this.#log.warn({ store, reason: this.#whyAway }, 'the blob store is away');
    if (state === 'closed') this.#log.info({ store }, 'the blob store answers again');
  }
}

/** It failed before, and was not asked now. */
class BreakerOpenError extends StoreUnavailableError {}
