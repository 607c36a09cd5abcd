import { readThreads } from '../../runtime/config/env.ts';
import { AnswerDeadline } from '../../runtime/answer-deadline.ts';
import { withDeadline } from '../../runtime/retry.ts';
import { QueueFullError, StoreUnavailableError } from '../store-errors.ts';
import { BLOB_STORE } from './blob-errors.ts';

export interface DiskCallsOptions {
  /**
   * A call to a disk that hangs cannot be ended, and it keeps one of the threads on which Node reads files
   * and resolves host names. Default: all but four of the threads, or all but one if there are few.
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

interface Call<T> {
  readonly step: string;
  readonly call: () => Promise<T>;
  readonly drop: (late: T) => unknown;
  readonly resolve: (result: T) => void;
  readonly reject: (error: unknown) => void;
}

/** As many as Node has if nobody says how many. */
const LEFT_TO_OTHERS = 4;

/**
 * All calls of a blob store to its disk: a few at a time, each with a deadline. When all of them are late,
 * the disk hangs, and calls are refused immediately until one has returned.
 */
export class DiskCalls {
  readonly #maxCalls: number;
  readonly #maxWaiting: number;
  readonly #timeoutMs: number;
  readonly #before: DiskCallsOptions['before'];
  readonly #waiting = new Set<Waiting>();
  #calls = 0;
  #late = 0;

  constructor({
    maxCalls = callsFor(readThreads()),
    maxWaiting = 2_000,
    timeoutMs = 5_000,
    before,
  }: DiskCallsOptions = {}) {
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
    if (this.#late >= this.#maxCalls) throw hangs(step);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const start = (): void => void this.#begin({ step, call, drop, resolve, reject });
    if (this.#calls < this.#maxCalls) {
      this.#calls += 1;
      start();
    } else this.#wait(step, start, reject);
    return promise;
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
    } else this.#waiting.add({ start });
    const closing = async (): Promise<void> => {
      await promise;
      try {
        await this.#before?.('close');
      } finally {
        await handle.close().finally(() => this.#release());
      }
    };
    await withDeadline('close', this.#timeoutMs, closing).catch(() => undefined);
  }

  #wait(step: string, start: () => void, reject: (error: Error) => void): void {
    if (this.#waiting.size >= this.#maxWaiting)
      throw new QueueFullError(BLOB_STORE, `${this.#maxWaiting} calls wait for its disk already`);
    const waiting: Waiting = {
      start: () => {
        deadline.clear();
        start();
      },
      refuse: (error) => {
        deadline.clear();
        reject(error);
      },
    };
    const deadline = new AnswerDeadline(this.#timeoutMs, () => {
      if (this.#waiting.delete(waiting)) reject(hangs(step));
    });
    this.#waiting.add(waiting);
  }

  /**
   * For a call that has a place. Never rejects. The next one begins in the moment in which it ends, so
   * that no thread waits for us.
   */
  async #begin<T>({ step, call, drop, resolve, reject }: Call<T>): Promise<void> {
    let isLate = false;
    const deadline = new AnswerDeadline(this.#timeoutMs, () => {
      isLate = true;
      this.#late += 1;
      if (this.#late >= this.#maxCalls) this.#refuseAll(step);
      reject(hangs(step));
    });
    const end = (): void => {
      deadline.clear();
      if (isLate) this.#late -= 1;
      this.#release();
    };
    try {
      const result = await this.#called(step, call);
      if (isLate) await dropped(drop, result);
      end();
      resolve(result);
    } catch (error) {
      end();
      reject(error);
    }
  }

  async #called<T>(step: string, call: () => Promise<T>): Promise<T> {
    if (this.#before !== undefined) await this.#before(step);
    return call();
  }

  #release(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#calls -= 1;
      return;
    }
    this.#waiting.delete(next);
    next.start();
  }

  #refuseAll(step: string): void {
    for (const waiting of this.#waiting) {
      if (waiting.refuse === undefined) continue;
      this.#waiting.delete(waiting);
      waiting.refuse(hangs(step));
    }
  }
}

async function dropped<T>(drop: (late: T) => unknown, result: T): Promise<void> {
  try {
    await drop(result);
  } catch {
    // The caller has given up already.
  }
}

function callsFor(threads: number): number {
  return Math.max(1, threads - LEFT_TO_OTHERS, Math.min(3, threads - 1));
}

function hangs(step: string): StoreUnavailableError {
  return new StoreUnavailableError(BLOB_STORE, `its disk does not answer (${step})`);
}
