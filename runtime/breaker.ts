/**
 * A circuit breaker for one store.
 *
 * - **closed**: the store answers, use it. → open after `failures` failures in a row.
 * - **open**: do not use the store: a request would only cost time. → half-open when the cool-down is over
 *   and a caller asks for a trial.
 * - **half-open**: one trial is under way. → closed on its success; → open on its failure, with twice the
 *   cool-down, up to `maxCoolDownMs`. If a trial is never reported, the next one is allowed after another
 *   cool-down.
 *
 * A breaker starts no timer and touches no store; the clock is injected.
 */
export type BreakerState = 'closed' | 'open' | 'half-open';

export interface BreakerOptions {
  /** Failures in a row that open it. */
  readonly failures: number;
  readonly coolDownMs: number;
  readonly maxCoolDownMs: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** @param cause of the failure that opened it, when it is known */
  readonly onChanged?: (state: BreakerState, cause?: unknown) => void;
}

export class Breaker {
  readonly #options: BreakerOptions;
  #state: BreakerState = 'closed';
  #failuresInRow = 0;
  #coolDownMs: number;
  #enteredMs = 0;

  constructor(options: BreakerOptions) {
    this.#options = options;
    this.#coolDownMs = options.coolDownMs;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** Whether ordinary requests may use the store. */
  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** Milliseconds until the next trial is allowed; 0 when closed or when it is allowed now. */
  get msUntilTrial(): number {
    if (this.#state === 'closed') return 0;
    return Math.max(0, this.#enteredMs + this.#coolDownMs - this.#options.now());
  }

  /** Asks for the one trial of an open breaker. After true the caller must report how the trial ended. */
  tryTrial(): boolean {
    if (this.#state === 'closed' || this.msUntilTrial > 0) return false;
    this.#enter('half-open');
    return true;
  }

  /** The store answered in time. An open breaker stays open: the request was sent before it opened. */
  succeeded(): void {
    this.#failuresInRow = 0;
    if (this.#state !== 'half-open') return;
    this.#coolDownMs = this.#options.coolDownMs;
    this.#enter('closed');
  }

  /** The store refused, closed the connection, or did not answer in time. */
  failed(cause?: unknown): void {
    this.#failuresInRow += 1;
    if (this.#state === 'half-open') {
      this.#coolDownMs = Math.min(this.#options.maxCoolDownMs, this.#coolDownMs * 2);
      this.#enter('open', cause);
    } else if (this.#state === 'closed' && this.#failuresInRow >= this.#options.failures) {
      this.#enter('open', cause);
    }
  }

  /**
   * Does `work` and reports its outcome: success when it returns, failure when it throws.
   * @param isAboutStore whether an error says something about the store; one that does not is not reported
   */
  async watch<T>(work: () => Promise<T>, isAboutStore: (error: unknown) => boolean): Promise<T> {
    try {
      const result = await work();
      this.succeeded();
      return result;
    } catch (error) {
      if (isAboutStore(error)) this.failed(error);
      throw error;
    }
  }

  #enter(state: BreakerState, cause?: unknown): void {
    this.#state = state;
    this.#enteredMs = this.#options.now();
    this.#options.onChanged?.(state, cause);
  }
}
