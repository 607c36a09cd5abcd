import { monotonicMs } from './clock.ts';

/** A deadline that this process notices later than this was missed by its own event loop, too. */
const LATE_MS = 10;
/** A loop that is late again and again still gives up: after at most four times the timeout. */
const MAX_EXTENSIONS = 3;

export interface PassedDeadline {
  /** The time that the store was given. */
  readonly timeoutMs: number;
  /** How long after the deadline this process noticed it. */
  readonly lateMs: number;
  /** How often the deadline was extended already. */
  readonly extensions: number;
}

/**
 * How much longer to wait for an answer whose deadline has passed; 0 when that is a timeout of the store.
 *
 * While the event loop of this process is blocked, no answer is read and none that needs a second request can
 * come. A timeout that is noticed late says nothing about the store, so the store gets the lost time again.
 */
export function extensionMs({ timeoutMs, lateMs, extensions }: PassedDeadline): number {
  if (lateMs < LATE_MS || extensions >= MAX_EXTENSIONS) return 0;
  return Math.min(lateMs, timeoutMs);
}

/**
 * The deadline of one answer of a store. It passes only after the answers that had arrived were read: after a
 * stall of the event loop, timers run before sockets are read. {@link extensionMs} decides the rest.
 */
export class AnswerDeadline {
  readonly #timeoutMs: number;
  readonly #onPassed: () => void;
  #timer: NodeJS.Timeout;
  #dueMs: number;
  #extensions = 0;
  #isCleared = false;

  /** Starts the time. @param onPassed called once, unless {@link clear} is called before */
  constructor(timeoutMs: number, onPassed: () => void) {
    this.#timeoutMs = timeoutMs;
    this.#onPassed = onPassed;
    this.#dueMs = monotonicMs() + timeoutMs;
    this.#timer = setTimeout(AnswerDeadline.#onTimer, timeoutMs, this);
  }

  clear(): void {
    this.#isCleared = true;
    clearTimeout(this.#timer);
  }

  static #onTimer(this: void, deadline: AnswerDeadline): void {
    const lateMs = monotonicMs() - deadline.#dueMs;
    // Timers count from the beginning of a turn of the event loop, so this one may be early.
    if (lateMs < 0) deadline.#wait(-lateMs);
    else setImmediate(AnswerDeadline.#judge, deadline, lateMs);
  }

  static #judge(this: void, deadline: AnswerDeadline, lateMs: number): void {
    if (deadline.#isCleared) return;
    const moreMs = extensionMs({
      timeoutMs: deadline.#timeoutMs,
      lateMs,
      extensions: deadline.#extensions,
    });
    if (moreMs === 0) {
      deadline.#onPassed();
      return;
    }
    deadline.#extensions += 1;
    deadline.#dueMs = monotonicMs() + moreMs;
    deadline.#wait(moreMs);
  }

  #wait(ms: number): void {
    this.#timer = setTimeout(AnswerDeadline.#onTimer, Math.ceil(ms), this);
  }
}
