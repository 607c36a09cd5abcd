import { AnswerDeadline } from '../../runtime/answer-deadline.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { STREAM_PACE, type StreamPace } from './limits.ts';
import { Problem } from './problem.ts';

/**
 * How long we wait for a client that sends or reads a stream. Waiting uses up its time; bytes that move bring
 * it back, up to what it had at the beginning. So a long transfer may take long, and a client that stands
 * still, or moves a byte now and then, is cut off.
 */
export class ClientPace {
  readonly #pace: StreamPace;
  #leftMs: number;
  /** When its time was counted last, while it is the turn of the client. */
  #countedMs: number | undefined;
  /** It may pass too early, because the time that bytes bring back does not move it. */
  #deadline: AnswerDeadline | undefined;
  #onTooSlow: () => void = () => undefined;

  constructor(pace: StreamPace = STREAM_PACE) {
    this.#pace = pace;
    this.#leftMs = pace.graceMs;
  }

  /** Bytes were sent, or read. */
  moved(bytes: number): void {
    this.#count();
    const { graceMs, bytesPerSecond } = this.#pace;
    this.#leftMs = Math.min(graceMs, this.#leftMs + (bytes * 1_000) / bytesPerSecond);
  }

  /**
   * Waits for the client. Only this time counts, not that of our own work.
   * @throws Problem 408 when the client is too slow; the error of `work`
   */
  async wait<T>(work: Promise<T>): Promise<T> {
    const { promise: passed, reject } = Promise.withResolvers<never>();
    this.goOn(() => reject(new Problem('too-slow')));
    try {
      return await Promise.race([work, passed]);
    } finally {
      this.stop();
    }
  }

  /**
   * It is the turn of the client, until {@link pause} or {@link stop}.
   * @param onTooSlow called once, when it has used up its time
   */
  goOn(onTooSlow: () => void): void {
    this.#countedMs = monotonicMs();
    this.#onTooSlow = onTooSlow;
    if (this.#deadline === undefined) this.#watch();
  }

  /** It is our turn, for a moment: {@link goOn} or {@link stop} follows. */
  pause(): void {
    this.#count();
    this.#countedMs = undefined;
  }

  /** The client is not waited for any more, and no timer is left. */
  stop(): void {
    this.pause();
    this.#deadline?.clear();
    this.#deadline = undefined;
  }

  #count(): void {
    if (this.#countedMs === undefined) return;
    const nowMs = monotonicMs();
    this.#leftMs -= nowMs - this.#countedMs;
    this.#countedMs = nowMs;
  }

  #watch(): void {
    const { endsAtMs = Number.POSITIVE_INFINITY } = this.#pace;
    const waitMs = Math.max(0, Math.min(this.#leftMs, endsAtMs - monotonicMs()));
    this.#deadline = new AnswerDeadline(waitMs, () => this.#passed(endsAtMs));
  }

  #passed(endsAtMs: number): void {
    this.#deadline = undefined;
    // While it is our turn nobody watches: the next turn of the client begins with a new deadline.
    if (this.#countedMs === undefined) return;
    this.#count();
    if (this.#leftMs > 0 && monotonicMs() < endsAtMs) this.#watch();
    else this.#onTooSlow();
  }
}
