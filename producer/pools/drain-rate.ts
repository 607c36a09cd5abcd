/** A fall this fast is believed at once: some mappers at work. */
const PLAUSIBLE_KEYS_PER_SECOND = 2_000;
const PLAUSIBLE_GROWTH = 4;

/**
 * How fast mappers empty one pool, in keys per second, seen from its level alone.
 *
 * A level that fell shows the takes of that interval; a level that rose hides them behind a delivery and says nothing,
 * so such an interval is left out. Refills are bursts and takes are steady: most intervals speak.
 *
 * A pool that was flushed or put back falls in one interval by more than anybody takes, and nobody may ever tell us that it
 * was a loss. So no interval counts for more than a few times what the others said: takes that really grow are followed in
 * some intervals more, and a loss does not raise the watermarks, lest the next one loses the more.
 */
export class DrainRate {
  readonly #halfLifeMs: number;
  #last: { readonly level: number; readonly atMs: number } | undefined;
  #keysPerSecond = 0;

  /** @param halfLifeMs after this long of another rate, the figure is half-way there */
  constructor(halfLifeMs = 30_000) {
    this.#halfLifeMs = halfLifeMs;
  }

  get keysPerSecond(): number {
    return this.#keysPerSecond;
  }

  /** @param atMs monotonic clock */
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

  /** Forgets the last level, as after a loss of data, or a silence that may hide one: a fall since then was nobody's take. */
  skipInterval(): void {
    this.#last = undefined;
  }
}
