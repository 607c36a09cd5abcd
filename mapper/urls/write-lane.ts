import { isAboutStore, StoreRefusedError } from '../../db/store-errors.ts';
import type { LinkRow } from '../../db/urls/link.ts';
import { Breaker } from '../../runtime/breaker.ts';
import { logBreaker } from '../../runtime/log-breaker.ts';
import { URLS_SERVER_BREAKER } from '../../runtime/config/breakers.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import { Binder, type BinderOptions, type BindingStore } from './binder.ts';

/** Whether rows are taken, and whether their INSERT hangs. */
interface LaneState {
  readonly isTaken: boolean;
  readonly isHanging: boolean;
}

export interface WriteLaneOptions<Row extends LinkRow> extends Pick<
  BinderOptions<Row>,
  'aliases' | 'bytesOf' | 'fit'
> {
  readonly store: BindingStore<Row>;
  /** Its rows, as in "the breaker of its … changed". */
  readonly what: string;
  /** Proves, by a write that leaves nothing, that the server takes such rows. Throws like an INSERT. */
  readonly prove: (timeoutMs: number) => Promise<void>;
  /** See {@link BinderOptions.hasOtherKeys}. */
  readonly hasOtherKeys: boolean;
  readonly queueLimit: number;
  readonly onBatch: (rows: number) => void;
  /** Called when rows are no longer taken. */
  readonly onClosed: () => void;
  /** Whether the server answers reads. While it does not, no row is bound there. */
  readonly isReadable: () => boolean;
  /** Rows are taken only while this lane takes its rows too, because its rows need less. */
  readonly basis?: LaneState;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly log: Log;
}

/** Age of an INSERT in flight from which new keys are drawn for other servers. */
const HANGS_AFTER_MS = 500;
/** The breaker needs two failures: a proof that fails, and the INSERT that hangs. */
const PROOF_TIMEOUT_MS = 500;

/**
 * One kind of rows that a urls server binds: taken, hanging, or not taken.
 *
 * - **taken**: rows are bound.
 * - **hanging**: an INSERT has been in flight for {@link HANGS_AFTER_MS}. Rows go to other servers if there
 *   are any. → taken when any write succeeds; → not taken when the breaker opens. The poll proves one or the
 *   other.
 * - **not taken**: the breaker is open, after two failed writes in a row. Everything that waits fails.
 *   → taken when the poll has proved that the server writes: an answer to a read says nothing about that.
 */
export class WriteLane<Row extends LinkRow = LinkRow> {
  readonly binder: Binder<Row>;
  readonly #options: WriteLaneOptions<Row>;
  readonly #breaker: Breaker;
  #isHanging = false;
  #complaint = '';

  constructor(options: WriteLaneOptions<Row>) {
    const { store, what, hasOtherKeys, queueLimit, onBatch, onClosed, isReadable, now, log } = options;
    this.#options = options;
    const tell = logBreaker(log, `urls server: breaker of its ${what} changed`, { urlsDb: store.name });
    this.#breaker = new Breaker({
      ...URLS_SERVER_BREAKER,
      now,
      onChanged: (state, cause) => {
        tell(state, cause);
        if (state === 'open') onClosed();
      },
    });
    const isTaken = (): boolean => this.isTaken && isReadable();
    const breaker = {
      get isClosed() {
        return isTaken();
      },
      succeeded: () => this.#succeeded(),
      failed: (cause?: unknown) => this.#breaker.failed(cause),
    };
    const { aliases, bytesOf, fit } = options;
    this.binder = new Binder({
      store,
      breaker,
      hasOtherKeys,
      queueLimit,
      onBatch,
      now,
      ...(aliases && { aliases }),
      ...(bytesOf && { bytesOf }),
      ...(fit && { fit }),
    });
  }

  get isTaken(): boolean {
    return this.#breaker.isClosed && (this.#options.basis?.isTaken ?? true);
  }

  get isHanging(): boolean {
    return this.#isHanging || (this.#options.basis?.isHanging ?? false);
  }

  /**
   * Looks whether an INSERT hangs. Call it after the answers that have arrived were read.
   * @returns whether it began to hang since the last call
   */
  noticeHanging(): boolean {
    if (this.#isHanging || !this.isTaken || this.binder.inFlightMs < HANGS_AFTER_MS) return false;
    this.#isHanging = true;
    return true;
  }

  /**
   * Proves, by a write that leaves nothing, whether the server writes, if that is in doubt. Never rejects.
   */
  async prove(): Promise<void> {
    if (this.#breaker.isClosed ? !this.#isHanging : !this.#breaker.tryTrial()) return;
    const { store, what, log, prove } = this.#options;
    try {
      await prove(PROOF_TIMEOUT_MS);
      this.#succeeded();
    } catch (error) {
      if (error instanceof StoreRefusedError) this.#cannotProve(error);
      else if (isAboutStore(error)) this.#breaker.failed(error);
      log.debug({ urlsDb: store.name, what, reason: messageOf(error) }, 'urls server does not write');
    }
  }

  #succeeded(): void {
    this.#isHanging = false;
    this.#breaker.succeeded();
  }

  /** The user lacks a right, for example. Then the next INSERT is the trial. */
  #cannotProve(error: StoreRefusedError): void {
    if (this.#complaint !== error.message) {
      const { store, log } = this.#options;
      log.error({ error, urlsDb: store.name }, 'urls server: it cannot be proved that it writes');
    }
    this.#complaint = error.message;
    this.#succeeded();
  }
}
