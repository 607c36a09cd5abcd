/**
 * The clock of a session, pure: what the local monotonic clock alone allows to be believed.
 *
 * The ensemble keeps a session for at least T after it received something, so for at least T after the moment an
 * acknowledged write was *sent*. Up to 2/3 T after that moment the session is `alive`; from there on it is `silent`
 * (start nothing new), and from T on `lost` (another process may hold our locks).
 * A process that has not run for T/3 (a stopped process, a stalled event loop) is `stalled`, whatever its last answer was:
 * what it believes is old, and what it queued before may run late.
 */
export type Liveness = 'alive' | 'stalled' | 'silent' | 'lost';

export class LivenessClock {
  readonly timeoutMs: number;
  #provenAtMs: number;
  #tickedAtMs: number;

  constructor(timeoutMs: number, provenAtMs: number, nowMs: number) {
    this.timeoutMs = timeoutMs;
    this.#provenAtMs = provenAtMs;
    this.#tickedAtMs = nowMs;
  }

  /** A write sent at `sentAtMs` was acknowledged. */
  proven(sentAtMs: number): void {
    this.#provenAtMs = Math.max(this.#provenAtMs, sentAtMs);
  }

  /** The event loop has turned. */
  ticked(nowMs: number): void {
    this.#tickedAtMs = nowMs;
  }

  read(nowMs: number): Liveness {
    const ageMs = nowMs - this.#provenAtMs;
    if (ageMs >= this.timeoutMs) return 'lost';
    if (ageMs >= (this.timeoutMs * 2) / 3) return 'silent';
    return nowMs - this.#tickedAtMs > this.timeoutMs / 3 ? 'stalled' : 'alive';
  }
}
