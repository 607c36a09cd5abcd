import { monotonicMs } from './clock.ts';
import { pauseQuietly } from './retry.ts';

/**
 * The share of time in which background work runs. The rest of cores and disks belongs to shortens and
 * redirects.
 */
const SHARE = 1 / 5;
/** The longest rest, also after a slow piece: the worker must still notice changes. */
const MAX_REST_MS = 5_000;

/**
 * How long to rest after a piece of background work, in ms: four times as long as the piece took, at most 5
 * s. Without rests even little background work occupies all cores while it lasts, and requests wait behind it
 * (docs/decisions/0017). Pure.
 */
export function restAfter(tookMs: number): number {
  return Math.min(MAX_REST_MS, tookMs * (1 / SHARE - 1));
}

/** Decides when each piece of a long work runs. */
export interface Pace {
  /** Runs a piece of some milliseconds when it is due. @throws the error of the piece */
  piece<T>(work: () => Promise<T>): Promise<T>;
}

/** For work that a caller waits for: no rests. */
export const AT_ONCE: Pace = { piece: async (work) => work() };

/** For background work: one piece at a time, and a rest after each. */
export class Unhurried implements Pace {
  readonly #isHurried: () => boolean;
  readonly #signal: AbortSignal;
  #free: Promise<void> = Promise.resolve();

  /** @param isHurried checked before each rest. True means that a caller waits now, so there is no rest. */
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
