import { isAboutStore, MismatchError, StoreUnavailableError } from '../../db/store-errors.ts';
import type { TargetReader } from '../../db/urls/link-targets.ts';
import type { LinkTarget } from '../../db/urls/link.ts';
import type { Breaker } from '../../runtime/breaker.ts';
import { Batcher } from './batcher.ts';

export interface LinkReadsOptions {
  readonly db: { readonly name: string; createTargetReader(): TargetReader };
  readonly breaker: Breaker;
  /** From the request for a read to its answer, time in the queue included. */
  readonly timeoutMs: number;
  readonly maxQueued: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/**
 * A look-up of one link. One of the two methods is called, exactly once. Neither may throw, because other
 * reads of the same SELECT wait behind this one.
 */
export interface Read {
  readonly key: string;
  /** When the look-up began; monotonic. */
  readonly askedAtMs: number;
  /** @param link undefined: this database does not have it */
  found(link: LinkTarget | undefined): void;
  /** @param error StoreUnavailableError, or a fault of ours */
  failed(error: Error): void;
}

/**
 * Few, so that misses gather while they are busy: one look-up among many in a SELECT costs a fraction of one
 * alone.
 */
const SELECTS_IN_FLIGHT = 2;
const MAX_BATCH_KEYS = 256;
/**
 * The least time for a SELECT. A read may have lost all of its time in this process, and then a time-out
 * would say nothing about the database.
 */
const MIN_ANSWER_MS = 100;

/**
 * Links read by key from one database. Concurrent reads share a SELECT. Every outcome is reported to the
 * database's breaker.
 */
export class LinkReads {
  readonly #options: LinkReadsOptions;
  readonly #batcher: Batcher<Read>;
  /** The readers without a SELECT in flight. */
  readonly #readers: TargetReader[];

  constructor(options: LinkReadsOptions) {
    this.#options = options;
    this.#readers = Array.from({ length: SELECTS_IN_FLIGHT }, () => options.db.createTargetReader());
    this.#batcher = new Batcher({
      maxBatch: MAX_BATCH_KEYS,
      maxInFlight: SELECTS_IN_FLIGHT,
      maxQueued: options.maxQueued,
      run: (reads, returned) => this.#readAll(reads, returned),
      // A look-up on an idle mapper does not wait for two turns of the event loop.
      isEager: true,
    });
  }

  begin(read: Read): void {
    if (this.#batcher.tryAdd(read)) return;
    read.failed(new StoreUnavailableError(this.#options.db.name, 'too many reads wait for it'));
  }

  /** Fails every read that has not been sent. */
  failQueued(error: Error): void {
    for (const read of this.#batcher.removeQueued()) read.failed(error);
  }

  #readAll(reads: readonly Read[], returned: () => void): void {
    const { db, breaker, timeoutMs, now } = this.#options;
    const reader = this.#readers.pop() as TargetReader;
    // The SELECT must end in time for the read that has waited longest.
    let askedAtMs = Number.POSITIVE_INFINITY;
    for (const read of reads) askedAtMs = Math.min(askedAtMs, read.askedAtMs);
    const remainingMs = Math.max(MIN_ANSWER_MS, timeoutMs - (now() - askedAtMs));
    const keys = reads.map(({ key }) => key);
    let open = reads;
    reader.read(keys, remainingMs, (error, targets, awaited) => {
      const isLast = awaited.length === 0;
      if (isLast) this.#readers.push(reader);
      try {
        if (error === undefined) {
          // Two reads of rules that fail open the breaker, whatever was answered before them.
          if (isLast) breaker.succeeded();
          const told = isLast ? open : open.filter(({ key }) => !awaited.includes(key));
          open = isLast ? [] : open.filter(({ key }) => awaited.includes(key));
          report(told, targets);
        } else {
          if (isAboutStore(error)) breaker.failed(error);
          for (const read of open) read.failed(toUnavailable(db.name, error));
        }
      } finally {
        // Even when an observer throws: otherwise this place in flight would be lost for ever.
        if (isLast) returned();
      }
    });
  }
}

function report(reads: readonly Read[], targets: readonly LinkTarget[]): void {
  const [only] = reads;
  if (reads.length === 1 && only !== undefined) {
    only.found(targets[0]);
    return;
  }
  const byKey = new Map(targets.map((target) => [target.key, target]));
  for (const read of reads) read.found(byKey.get(read.key));
}

/** For reads, a database that has lost its tables is down. */
function toUnavailable(name: string, error: Error): Error {
  return error instanceof MismatchError ? new StoreUnavailableError(name, error.message, error) : error;
}
