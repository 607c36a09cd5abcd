import { monotonicMs } from './clock.ts';
import { pauseQuietly } from './retry.ts';

/** The share of its time in which work that nobody waits for runs: cores and disks belong to those who shorten and follow. */
const SHARE = 1 / 5;
/** However slow a store is: what changes meanwhile must be noticed. */
const MAX_REST_MS = 5_000;

/**
 * How long to rest after a piece of work that nobody waits for, in ms: four times as long as it took, 5 s at most. Done in one go, even
 * a little of such work takes all cores for as long as it lasts, and requests wait behind it (docs/decisions/0017). Pure.
 */
export function restAfter(tookMs: number): number {
  return Math.min(MAX_REST_MS, tookMs * (1 / SHARE - 1));
}

/** When the pieces of a long work are done. */
export interface Pace {
  /** Does a piece of some milliseconds when its turn has come. @throws what it throws */
  piece<T>(work: () => Promise<T>): Promise<T>;
}

/** For work that somebody waits for. */
export const AT_ONCE: Pace = { piece: async (work) => work() };

/** One piece at a time, and a rest after each. */
export class Unhurried implements Pace {
  readonly #isHurried: () => boolean;
  readonly #signal: AbortSignal;
  #free: Promise<void> = Promise.resolve();

  /** @param isHurried asked before each rest: true when somebody has come to wait, so there is none */
  constructor(isHurried: () => boolean, signal: AbortSignal) {
    this.#isHurried = isHurried;
    this.#signal = signal;
  }

  /** @throws the signal's reason once it is aborted */
  async piece<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#free;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#free = promise;
    await before;
    const startedMs = monotonicMs();
    try {
      this.#signal.throwIfAborted();
      return await work();
    } finally {
      void this.#rest(monotonicMs() - startedMs).then(resolve);
    }
  }

  async #rest(tookMs: number): Promise<void> {
    if (!this.#isHurried()) await pauseQuietly(restAfter(tookMs), this.#signal);
  }
}
