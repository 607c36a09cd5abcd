import type { LinkTarget, TargetReader } from '../../db/urls/link-targets.ts';
import { MismatchError, StoreUnavailableError } from '../../db/store-errors.ts';
import { Batcher } from './batcher.ts';
import type { Breaker } from '../../runtime/breaker.ts';

export interface LinkReadsOptions {
  readonly db: { readonly name: string; createTargetReader(): TargetReader };
  readonly breaker: Breaker;
  /** From the question to its answer, waiting for others' reads included. */
  readonly timeoutMs: number;
  readonly maxQueued: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** A link that is looked for, and who is told, exactly once: one of the two. Neither may throw, for others wait behind them. */
export interface Read {
  readonly key: string;
  /** Since when the answer is waited for, monotonic. */
  readonly askedAtMs: number;
  /** @param link undefined: the database that was asked does not have it */
  found(link: LinkTarget | undefined): void;
  /** @param error StoreUnavailableError, or a fault of ours */
  failed(error: Error): void;
}

/** Few: while they are busy misses gather, and a look-up among many in one statement costs a fraction of one alone. */
const LANES = 2;
const MAX_BATCH_KEYS = 256;

/** Links read by key from one database, in SELECTs that those share who ask at the same time; its breaker is told of every outcome. */
export class LinkReads {
  readonly #options: LinkReadsOptions;
  readonly #batcher: Batcher<Read>;
  /** Those without a statement under way. */
  readonly #readers: TargetReader[];

  constructor(options: LinkReadsOptions) {
    this.#options = options;
    this.#readers = Array.from({ length: LANES }, () => options.db.createTargetReader());
    this.#batcher = new Batcher({
      maxBatch: MAX_BATCH_KEYS,
      maxInFlight: LANES,
      maxQueued: options.maxQueued,
      run: (reads, returned) => this.#readAll(reads, returned),
      // A whole look-up would wait for the turn to end; its companions find the other lane.
      isEager: true,
    });
  }

  begin(read: Read): void {
    if (this.#batcher.tryAdd(read)) return;
    read.failed(new StoreUnavailableError(this.#options.db.name, 'too many reads wait for it'));
  }

  /** Who still waits in front of the database must not wait on. */
  failQueued(error: Error): void {
    for (const read of this.#batcher.removeQueued()) read.failed(error);
  }

  #readAll(reads: readonly Read[], returned: () => void): void {
    const { db, breaker, timeoutMs, now } = this.#options;
    const reader = this.#readers.pop() as TargetReader;
    // What the one who has waited longest has left is all that this read may take.
    let askedAtMs = Number.POSITIVE_INFINITY;
    for (const read of reads) askedAtMs = Math.min(askedAtMs, read.askedAtMs);
    const remainingMs = Math.max(1, timeoutMs - (now() - askedAtMs));
    const keys = reads.map(({ key }) => key);
    reader.read(keys, remainingMs, (error, targets) => {
      this.#readers.push(reader);
      try {
        if (error === undefined) {
          breaker.succeeded();
          tell(reads, targets);
        } else {
          breaker.failed();
          for (const read of reads) read.failed(toUnavailable(db.name, error));
        }
      } finally {
        // Whatever an observer does: a lane that is lost would be missing for ever.
        returned();
      }
    });
  }
}

function tell(reads: readonly Read[], targets: readonly LinkTarget[]): void {
  const [only] = reads;
  if (reads.length === 1 && only !== undefined) {
    only.found(targets[0]);
    return;
  }
  const byKey = new Map(targets.map((target) => [target.key, target]));
  for (const read of reads) read.found(byKey.get(read.key));
}

/** A database that has lost its tables is not there, for who reads links. */
function toUnavailable(name: string, error: Error): Error {
  return error instanceof MismatchError ? new StoreUnavailableError(name, error.message, error) : error;
}
