/**
 * The clock of a session, pure: the state of the session as far as the local monotonic clock can tell.
 *
 * The ensemble keeps a session for at least T after it has received a message, so for at least T after an
 * acknowledged write was *sent*. Up to 2/3 T after that moment the session is `alive`; then it is `silent`
 * (start nothing new), and from T on it is `lost` (another process may hold our locks). Instead of `alive` it
 * is `stalled` when the process has not run for T/3 (it was stopped, or its event loop stalled): its state is
 * out of date, and operations that it queued earlier may run late.
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
