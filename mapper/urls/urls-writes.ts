import { StoreRefusedError } from '../../db/store-errors.ts';
import type { OwnLinksDb } from '../../db/own-links/own-links-db.ts';
import type { OwnedRow } from '../../db/own-links/owned-insert.ts';
import type { UrlsDb } from '../../db/urls/links.ts';
import { Breaker } from '../../runtime/breaker.ts';
import { URLS_SERVER_BREAKER } from '../../runtime/config/breakers.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import { Binder } from './binder.ts';

export interface UrlsWritesOptions {
  readonly db: UrlsDb;
  readonly ownLinks: OwnLinksDb;
  readonly queueLimit: number;
  readonly onBatch: (rows: number) => void;
  /** Whether the server answers reads. While it does not, no row is bound there. */
  readonly isReadable: () => boolean;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly log: Log;
}

/** Age of an INSERT in flight from which new keys are drawn for other servers. */
const HANGS_AFTER_MS = 500;
/** The breaker needs two failures: a proof that fails, and the INSERT that hangs. */
const PROOF_TIMEOUT_MS = 500;

/**
 * The writes of a urls server: taken, hanging, or not taken.
 *
 * - **taken**: rows are bound.
 * - **hanging**: an INSERT has been in flight for {@link HANGS_AFTER_MS}. Rows go to other servers if there
 *   are any. → taken when any write succeeds; → not taken when the breaker opens. The poll proves one or the
 *   other.
 * - **not taken**: the breaker is open, after two failed writes in a row. Everything that waits fails.
 *   → taken when the poll has proved that the server writes: an answer to a read says nothing about that.
 */
export class UrlsWrites {
  readonly binder: Binder;
  /**
   * Binds links that have an owner, in INSERTs of their own: their transaction has more statements, for which
   * anonymous links must not wait.
   */
  readonly ownBinder: Binder<OwnedRow>;
  readonly #options: UrlsWritesOptions;
  readonly #breaker: Breaker;
  #isHanging = false;
  #complaint = '';

  constructor(options: UrlsWritesOptions) {
    const { db, ownLinks, queueLimit, onBatch, isReadable, now, log } = options;
    this.#options = options;
    this.#breaker = new Breaker({
      ...URLS_SERVER_BREAKER,
      now,
      onChanged: (state) => {
        if (state !== 'half-open')
          log.warn({ urlsDb: db.name, state }, 'urls server: breaker of its writes changed');
        if (state === 'open') this.failQueued();
      },
    });
    const isTaken = (): boolean => this.isTaken && isReadable();
    const breaker = {
      get isClosed() {
        return isTaken();
      },
      succeeded: () => this.#succeeded(),
      failed: () => this.#breaker.failed(),
    };
    const shared = { breaker, queueLimit, onBatch, now };
    this.binder = new Binder({ ...shared, store: db });
    const insert: OwnLinksDb['insert'] = async (rows, limits) => ownLinks.insert(rows, limits);
    this.ownBinder = new Binder({
      ...shared,
      store: { name: db.name, insert, find: async (keys) => db.find(keys) },
    });
  }

  get isTaken(): boolean {
    return this.#breaker.isClosed;
  }

  get isHanging(): boolean {
    return this.#isHanging;
  }

  /**
   * Looks whether an INSERT hangs. Call it after the answers that have arrived were read.
   * @returns whether it began to hang since the last call
   */
  noticeHanging(): boolean {
    if (this.#isHanging || !this.isTaken || this.#inFlightMs < HANGS_AFTER_MS) return false;
    this.#isHanging = true;
    return true;
  }

  /** The server went down: fails every row that has not been sent. */
  failQueued(): void {
    this.binder.failQueued();
    this.ownBinder.failQueued();
  }

  /** The server hangs: fails every row of a pool key that has not been sent, so that it gets another key. */
  failQueuedKeys(): void {
    this.binder.failQueuedKeys();
    this.ownBinder.failQueuedKeys();
  }

  /** Resolves when no row waits or is in flight. */
  async idle(): Promise<void> {
    await Promise.all([this.binder.idle(), this.ownBinder.idle()]);
  }

  /**
   * Proves, by a write that leaves nothing, whether the server writes, if that is in doubt. Never rejects.
   */
  async prove(): Promise<void> {
    if (this.isTaken ? !this.#isHanging : !this.#breaker.tryTrial()) return;
    const { db, log } = this.#options;
    try {
      await db.proveWriting(PROOF_TIMEOUT_MS);
      this.#succeeded();
    } catch (error) {
      if (error instanceof StoreRefusedError) this.#cannotProve(error);
      else this.#breaker.failed();
      log.debug({ urlsDb: db.name, reason: messageOf(error) }, 'urls server does not write');
    }
  }

  get #inFlightMs(): number {
    return Math.max(this.binder.inFlightMs, this.ownBinder.inFlightMs);
  }

  #succeeded(): void {
    this.#isHanging = false;
    this.#breaker.succeeded();
  }

  /** The user lacks a right, for example. Then the next INSERT is the trial. */
  #cannotProve(error: StoreRefusedError): void {
    if (this.#complaint !== error.message) {
      const { db, log } = this.#options;
      log.error({ error, urlsDb: db.name }, 'urls server: it cannot be proved that it writes');
    }
    this.#complaint = error.message;
    this.#succeeded();
  }
}
