import { AnswerDeadline } from '../../runtime/answer-deadline.ts';
import { DeadlineError } from '../../runtime/errors.ts';
import { delayFor, pause } from '../../runtime/retry.ts';
import { QueueFullError, StoreUnavailableError } from '../store-errors.ts';
import { BLOB_STORE } from './blob-errors.ts';

export interface ProgressLimits {
  /** Without any byte in either direction. */
  readonly stallMs: number;
  /** Of all waiting together, however well it goes on. */
  readonly maxMs: number;
}

/**
 * A request and its answer must go on; each byte starts the time again. Only the time between `went` and
 * `stop` counts: a reader may take as long as he likes for what he has.
 */
export class Progress {
  readonly #limits: ProgressLimits;
  readonly #controller = new AbortController();
  #deadline: AnswerDeadline | undefined;
  #waitedMs = 0;
  #waitsSinceMs: number | undefined;

  constructor(limits: ProgressLimits) {
    this.#limits = limits;
    this.went();
  }

  /** It is aborted when nothing has gone on for the time. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Something goes on, and more is waited for. */
  went(): void {
    this.stop();
    const { stallMs, maxMs } = this.#limits;
    this.#waitsSinceMs = performance.now();
    const passed = (): void => this.abort(new DeadlineError('the store', stallMs));
    this.#deadline = new AnswerDeadline(Math.max(0, Math.min(stallMs, maxMs - this.#waitedMs)), passed);
  }

  /** Nothing is waited for until `went`. */
  stop(): void {
    this.#deadline?.clear();
    if (this.#waitsSinceMs !== undefined) this.#waitedMs += performance.now() - this.#waitsSinceMs;
    this.#waitsSinceMs = undefined;
  }

  abort(reason: unknown): void {
    this.stop();
    this.#controller.abort(reason);
  }
}

/** At most so many requests at a time; a bounded number waits, for a bounded time. */
export class Places {
  readonly #waiting: (() => void)[] = [];
  readonly #maxWaiting: number;
  #free: number;

  constructor(places: number, maxWaiting: number) {
    this.#free = places;
    this.#maxWaiting = maxWaiting;
  }

  /** @returns gives the place back, once. @throws QueueFullError */
  async take(timeoutMs: number): Promise<() => void> {
    if (this.#free > 0) this.#free -= 1;
    else await this.#wait(timeoutMs);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    };
  }

  async #wait(timeoutMs: number): Promise<void> {
    if (this.#waiting.length >= this.#maxWaiting)
      throw new QueueFullError(BLOB_STORE, `${this.#maxWaiting} requests wait for a connection already`);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    const deadline = new AnswerDeadline(timeoutMs, () => {
      const at = this.#waiting.indexOf(resolve);
      if (at === -1) return;
      this.#waiting.splice(at, 1);
      reject(new QueueFullError(BLOB_STORE, `no connection was free within ${timeoutMs} ms`));
    });
    try {
      await promise;
    } finally {
      deadline.clear();
    }
  }
}

export interface Attempts {
  readonly attempts: number;
  /** No attempt begins later than this after the first one. */
  readonly withinMs: number;
  readonly isWorthRepeating: (error: unknown) => boolean;
}

/** Repeats `work` while its failures may be over a moment later. @throws the last failure */
export async function repeat<T>(
  { attempts, withinMs, isWorthRepeating }: Attempts,
  work: () => Promise<T>,
): Promise<T> {
  const began = performance.now();
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const pauseMs = delayFor(attempt, { baseMs: 50, maxMs: 1_000 });
      const isLast = attempt >= attempts || performance.now() + pauseMs > began + withinMs;
      if (isLast || !isWorthRepeating(error)) throw error;
      await pause(pauseMs);
    }
  }
}

/** @throws StoreUnavailableError with the reason */
export function stalled(timeoutMs: number): StoreUnavailableError {
  return new StoreUnavailableError(BLOB_STORE, `it did nothing for ${timeoutMs} ms`);
}
