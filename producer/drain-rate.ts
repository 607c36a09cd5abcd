/**
 * How fast mappers empty one pool, in keys per second, seen from its level alone.
 *
 * A level that fell shows the takes of that interval; a level that rose hides them behind a delivery and says nothing,
 * so such an interval is left out. Refills are bursts and takes are steady: most intervals speak.
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
    const sample = ((last.level - level) * 1000) / elapsedMs;
    const weight = 1 - 0.5 ** (elapsedMs / this.#halfLifeMs);
    this.#keysPerSecond += (sample - this.#keysPerSecond) * weight;
  }

  /** Forgets the last level, as after a loss of data: the fall was nobody's take. */
  skipInterval(): void {
    this.#last = undefined;
  }
}
