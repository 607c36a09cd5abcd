import { DeadlineError } from '../../runtime/errors.ts';
import { withDeadline } from '../../runtime/retry.ts';
import { QueueFullError, StoreUnavailableError } from '../store-errors.ts';
import { BLOB_STORE } from './blob-errors.ts';

export interface DiskCallsOptions {
  /**
   * Of four: a call to a disk that hangs cannot be ended, and it keeps one of the four threads on which Node
   * reads files and resolves host names. One is left for all others.
   */
  readonly maxCalls?: number;
  readonly maxWaiting?: number;
  readonly timeoutMs?: number;
  /** Tests kill the process, or let a call fail or hang, before one of the steps. */
  readonly before?: ((step: string) => Promise<void> | void) | undefined;
}

interface Closable {
  close(): Promise<void>;
}

interface Waiting {
  readonly start: () => void;
  /** Undefined: it must not be refused. */
  readonly refuse?: (error: Error) => void;
}

/**
 * All calls of a blob store to its disk: a few at a time, each with a deadline. When all of them are late,
 * the disk hangs, and calls are refused immediately until one has returned.
 */
export class DiskCalls {
  readonly #maxCalls: number;
  readonly #maxWaiting: number;
  readonly #timeoutMs: number;
  readonly #before: DiskCallsOptions['before'];
  #waiting: Waiting[] = [];
  #calls = 0;
  #late = 0;

  constructor({ maxCalls = 3, maxWaiting = 2_000, timeoutMs = 5_000, before }: DiskCallsOptions = {}) {
    this.#maxCalls = maxCalls;
    this.#maxWaiting = maxWaiting;
    this.#timeoutMs = timeoutMs;
    this.#before = before;
  }

  /**
   * @param step names the call
   * @param drop releases a result that comes after the deadline
   * @throws what the call throws; StoreUnavailableError after the deadline, QueueFullError
   */
  async do<T>(
    step: string,
    call: () => Promise<T>,
    drop: (late: T) => unknown = () => undefined,
  ): Promise<T> {
    await this.#place(step);
    const state = { isLate: false, hasEnded: false };
    const work = (async () => {
      if (this.#before !== undefined) await this.#before(step);
      return call();
    })();
    const end = (): void => {
      this.#release(state.isLate);
      state.hasEnded = true;
    };
    void (async () => {
      try {
        const result = await work;
        if (state.isLate) await drop(result);
      } catch {
        // The caller hears of it, or has given up.
      }
      end();
    })();
    try {
      return await withDeadline(step, this.#timeoutMs, async () => work);
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error;
      if (state.hasEnded) return work;
      state.isLate = true;
      this.#late += 1;
      if (this.#late >= this.#maxCalls) this.#refuseAll(step);
      throw hangs(step);
    }
  }

  /**
   * Closes a file or folder, without an error: what was written was synced before. It is never refused: a
   * file that nobody closes ends the process when it is collected. While the disk hangs, it is closed later.
   */
  async close(handle: Closable): Promise<void> {
    const { promise, resolve: start } = Promise.withResolvers<void>();
    if (this.#calls < this.#maxCalls) {
      this.#calls += 1;
      start();
    } else this.#waiting.push({ start });
    const closing = async (): Promise<void> => {
      await promise;
      try {
        await this.#before?.('close');
      } finally {
        await handle.close().finally(() => this.#release(false));
      }
    };
    await withDeadline('close', this.#timeoutMs, closing).catch(() => undefined);
  }

  async #place(step: string): Promise<void> {
    if (this.#late >= this.#maxCalls) throw hangs(step);
    if (this.#calls < this.#maxCalls) {
      this.#calls += 1;
      return;
    }
    if (this.#waiting.length >= this.#maxWaiting)
      throw new QueueFullError(BLOB_STORE, `${this.#maxWaiting} calls wait for its disk already`);
    const { promise, resolve: start, reject: refuse } = Promise.withResolvers<void>();
    let hasPlace = false;
    const waiting: Waiting = {
      start: () => {
        hasPlace = true;
        start();
      },
      refuse,
    };
    this.#waiting.push(waiting);
    try {
      await withDeadline(step, this.#timeoutMs, async () => promise);
    } catch (error) {
      // It may have got a place when its time was just over.
      if (hasPlace) this.#release(false);
      this.#waiting = this.#waiting.filter((other) => other !== waiting);
      throw error instanceof DeadlineError ? hangs(step) : error;
    }
  }

  #release(wasLate: boolean): void {
    if (wasLate) this.#late -= 1;
    const next = this.#waiting.shift();
    if (next === undefined) this.#calls -= 1;
    else next.start();
  }

  #refuseAll(step: string): void {
    const waiting = this.#waiting;
    this.#waiting = waiting.filter(({ refuse }) => refuse === undefined);
    for (const { refuse } of waiting) refuse?.(hangs(step));
  }
}

function hangs(step: string): StoreUnavailableError {
  return new StoreUnavailableError(BLOB_STORE, `its disk does not answer (${step})`);
}
