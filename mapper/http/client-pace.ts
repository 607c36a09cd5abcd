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

  constructor(pace: StreamPace = STREAM_PACE) {
    this.#pace = pace;
    this.#leftMs = pace.graceMs;
  }

  /** Bytes were sent, or read. */
  moved(bytes: number): void {
    const { graceMs, bytesPerSecond } = this.#pace;
    this.#leftMs = Math.min(graceMs, this.#leftMs + (bytes * 1_000) / bytesPerSecond);
  }

  /**
   * Waits for the client. Only this time counts, not that of our own work.
   * @throws Problem 408 when the client is too slow; the error of `work`
   */
  async wait<T>(work: Promise<T>): Promise<T> {
    const startedMs = monotonicMs();
    const { endsAtMs = Number.POSITIVE_INFINITY } = this.#pace;
    const leftMs = Math.max(0, Math.min(this.#leftMs, endsAtMs - startedMs));
    const { promise: passed, reject } = Promise.withResolvers<never>();
    const deadline = new AnswerDeadline(leftMs, () => reject(new Problem('too-slow')));
    try {
      return await Promise.race([work, passed]);
    } finally {
      deadline.clear();
      this.#leftMs -= monotonicMs() - startedMs;
    }
  }
}
