import type { Batch } from '../../db/keys-db/batch.ts';
import type { KeysDb } from '../../db/keys-db/keys-db.ts';
import type { Log } from '../../runtime/log.ts';
import type { Delivery } from './delivery.ts';
import { repeatUntilDone } from './repeat.ts';
import type { WriteGate } from './write-gate.ts';

export interface BatchReaderOptions {
  readonly keysDb: KeysDb;
  readonly delivery: Delivery;
  readonly gate: WriteGate;
  readonly log: Log;
}

/** Reads claimed batches one after the other, each until it succeeds. Claims and deliveries go on. */
export class BatchReader {
  readonly #options: BatchReaderOptions;
  readonly #signal: AbortSignal;
  #chain: Promise<void> = Promise.resolve();
  #failure: unknown;
  #reading = 0;
  #newest = 0;

  /** @param signal aborted when the reign is over */
  constructor(options: BatchReaderOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  /** Batches handed to it and not yet read. */
  get reading(): number {
    return this.#reading;
  }

  /** Id of the last batch handed to it. */
  get newest(): number {
    return this.#newest;
  }

  read(batch: Batch): void {
    this.#reading += 1;
    this.#newest = batch.id;
    this.#chain = this.#chain
      .then(() => this.#readUntilDone(batch))
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => (this.#reading -= 1));
  }

  /** Returns when everything handed to it so far is read, or the reign is over. */
  async whenIdle(): Promise<void> {
    await this.#chain;
  }

  /** @throws FencedError or MismatchError, if it ended a read */
  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #readUntilDone(batch: Batch): Promise<void> {
    const { keysDb, gate, log, delivery } = this.#options;
    const what = `reading batch ${batch.id} of ${keysDb.name}`;
    await repeatUntilDone({ what, gate, log }, this.#signal, () => delivery.accept(batch));
  }
}
