import { DeadlineError } from '../../runtime/errors.ts';
import { delayFor, pause } from '../../runtime/retry.ts';
import { QueueFullError, StoreUnavailableError } from '../store-errors.ts';
import { BLOB_STORE } from './blob-errors.ts';

/** However well a request or its answer goes on. */
const MAX_MS = 60_000;

/** A request and its answer must go on; each byte starts the time again. */
export class Progress {
  readonly #timeoutMs: number;
  readonly #beganMs = performance.now();
  readonly #controller = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.went();
  }

  /** It is aborted when nothing has gone on for the time. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Something goes on. */
  went(): void {
    this.stop();
    const leftMs = this.#beganMs + MAX_MS - performance.now();
    const passed = (): void => this.abort(new DeadlineError('the store', this.#timeoutMs));
    this.#timer = setTimeout(passed, Math.max(0, Math.min(this.#timeoutMs, leftMs)));
  }

  /** Nothing more is waited for. */
  stop(): void {
    clearTimeout(this.#timer);
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
    const timer = setTimeout(() => {
      const at = this.#waiting.indexOf(resolve);
      if (at === -1) return;
      this.#waiting.splice(at, 1);
      reject(new QueueFullError(BLOB_STORE, `no connection was free within ${timeoutMs} ms`));
    }, timeoutMs);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
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
