/** A fall up to this rate counts in full: a few mappers take that many. */
const PLAUSIBLE_KEYS_PER_SECOND = 2_000;
/** A faster fall counts for at most this many times the measured rate. */
const PLAUSIBLE_GROWTH = 4;

/**
 * How fast mappers empty one pool, in keys per second, computed from its level alone.
 *
 * A level that fell shows the takes of that interval. A level that rose hides them behind a delivery, so that
 * interval is left out. Refills are bursts and takes are steady, so most intervals count.
 *
 * A pool that was flushed or restored falls in one interval by more than mappers take, and the loss may never
 * be reported. So one interval counts for at most a few times the rate measured before.
 * Takes that really grow are followed within some more intervals. A loss does not raise the watermarks: with
 * higher ones the next loss is greater.
 */
export class DrainRate {
  readonly #halfLifeMs: number;
  #last: { readonly level: number; readonly atMs: number } | undefined;
  #keysPerSecond = 0;

  /** @param halfLifeMs after this time at a new rate, the figure has gone half of the way to it */
  constructor(halfLifeMs = 30_000) {
    this.#halfLifeMs = halfLifeMs;
  }

  get keysPerSecond(): number {
    return this.#keysPerSecond;
  }

  /** Records a level. @param atMs monotonic clock */
  observe(level: number, atMs: number): void {
    const last = this.#last;
    this.#last = { level, atMs };
    if (!last || atMs <= last.atMs || level > last.level) return;
    const elapsedMs = atMs - last.atMs;
    const plausible = Math.max(PLAUSIBLE_KEYS_PER_SECOND, this.#keysPerSecond * PLAUSIBLE_GROWTH);
    const sample = Math.min(plausible, ((last.level - level) * 1000) / elapsedMs);
    const weight = 1 - 0.5 ** (elapsedMs / this.#halfLifeMs);
    this.#keysPerSecond += (sample - this.#keysPerSecond) * weight;
  }

  /** Forgets the last level. After a loss of data, or a silence that may hide one, a fall shows no takes. */
  skipInterval(): void {
    this.#last = undefined;
  }
}
