/** Keys held ready even when none was drawn lately. */
const IDLE_RESERVE = 8;
const WINDOW_MS = 1_000;

/**
 * How many keys to hold ready: as many as were drawn in the present second or in the one before it, whichever
 * is more.
 *
 * Policy only: it takes no key and reads no clock. A window begins with the first draw after the one before
 * is over. So there is no timer, and the target falls only when keys are drawn again.
 */
export class Demand {
  readonly #maxReserve: number;
  #windowStartedMs = Number.NEGATIVE_INFINITY;
  #drawnInWindow = 0;
  #drawnBefore = 0;

  /** @param maxReserve bound of {@link target} */
  constructor(maxReserve: number) {
    this.#maxReserve = maxReserve;
  }

  /** A key was drawn. @param nowMs monotonic milliseconds */
  countDraw(nowMs: number): void {
    const ageMs = nowMs - this.#windowStartedMs;
    if (ageMs >= WINDOW_MS) {
      this.#drawnBefore = ageMs < 2 * WINDOW_MS ? this.#drawnInWindow : 0;
      this.#drawnInWindow = 0;
      this.#windowStartedMs = nowMs;
    }
    this.#drawnInWindow += 1;
  }

  /** How many keys to hold ready. */
  get target(): number {
    const demand = Math.max(this.#drawnBefore, this.#drawnInWindow);
    return Math.min(this.#maxReserve, Math.max(IDLE_RESERVE, demand));
  }
}
