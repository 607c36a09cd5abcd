import type { LinkTarget } from '../db/links.ts';
import { MismatchError, StoreUnavailableError } from '../db/store-errors.ts';
import { Batcher } from './batcher.ts';
import type { Breaker } from './breaker.ts';

export interface LinkReadsOptions {
  readonly db: {
    readonly name: string;
    findTargets(keys: readonly string[], options: { timeoutMs: number }): Promise<LinkTarget[]>;
  };
  readonly breaker: Breaker;
  /** From the question to its answer, waiting for others' reads included. */
  readonly timeoutMs: number;
  readonly maxQueued: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

interface Read {
  readonly key: string;
  readonly askedAtMs: number;
  readonly resolve: (link: LinkTarget | undefined) => void;
  readonly reject: (error: Error) => void;
}

/** Few: while they are busy misses gather, and a look-up among many in one statement costs a fraction of one alone. */
const LANES = 2;
const MAX_BATCH_KEYS = 256;

/** Links read by key from one database, in SELECTs that those share who ask at the same time; its breaker is told of every outcome. */
export class LinkReads {
  readonly #options: LinkReadsOptions;
  readonly #batcher: Batcher<Read>;

  constructor(options: LinkReadsOptions) {
    this.#options = options;
    this.#batcher = new Batcher({
      maxBatch: MAX_BATCH_KEYS,
      maxInFlight: LANES,
      maxQueued: options.maxQueued,
      run: async (reads) => this.#readAll(reads),
    });
  }

  /**
   * @param askedAtMs since when the answer is waited for: now, unless another database was asked before
   * @throws StoreUnavailableError
   */
  async find(key: string, askedAtMs = this.#options.now()): Promise<LinkTarget | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#batcher.tryAdd({ key, askedAtMs, resolve, reject })) return;
      reject(new StoreUnavailableError(this.#options.db.name, 'too many reads wait for it'));
    });
  }

  /** Who still waits in front of the database must not wait on. */
  failQueued(error: Error): void {
    for (const { reject } of this.#batcher.removeQueued()) reject(error);
  }

  async #readAll(reads: Read[]): Promise<void> {
    const { db, breaker, timeoutMs, now } = this.#options;
    try {
      const keys = reads.map(({ key }) => key);
      // What the one who has waited longest has left is all that this read may take.
      let askedAtMs = Number.POSITIVE_INFINITY;
      for (const read of reads) askedAtMs = Math.min(askedAtMs, read.askedAtMs);
      const remainingMs = Math.max(1, timeoutMs - (now() - askedAtMs));
      const links = await breaker.watch(async () => db.findTargets(keys, { timeoutMs: remainingMs }));
      const byKey = new Map(links.map((link) => [link.key, link]));
      for (const { key, resolve } of reads) resolve(byKey.get(key));
    } catch (error) {
      const reason =
        error instanceof MismatchError ? new StoreUnavailableError(db.name, error.message, error) : error;
      for (const { reject } of reads) reject(reason as Error);
    }
  }
}
