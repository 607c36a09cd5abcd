import { AnswerDeadline } from '../../runtime/answer-deadline.ts';
import { Problem } from '../http/problem.ts';

export interface PlacesOptions {
  readonly count: number;
  readonly maxWaiting: number;
  /** How long one may wait for a place. */
  readonly waitMs: number;
}

/** A bounded number of things are under way at a time. Others wait, for a bounded time, in their order. */
export class ReadingPlaces {
  readonly #options: PlacesOptions;
  readonly #waiting = new Set<() => void>();
  #taken = 0;

  constructor(options: PlacesOptions) {
    this.#options = options;
  }

  /** @returns gives the place back, once. @throws Problem 503 when none was free in time */
  async take(): Promise<() => void> {
    const { count, maxWaiting, waitMs } = this.#options;
    if (this.#taken < count) this.#taken += 1;
    else if (this.#waiting.size >= maxWaiting) throw new Problem('overloaded');
    else await this.#wait(waitMs);
    let isHeld = true;
    return () => {
      if (isHeld) this.#pass();
      isHeld = false;
    };
  }

  async #wait(waitMs: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    const deadline = new AnswerDeadline(waitMs, () => {
      if (this.#waiting.delete(resolve)) reject(new Problem('overloaded'));
    });
    try {
      await promise;
    } finally {
      deadline.clear();
    }
  }

  /** The place goes to the one that waits longest. */
  #pass(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#taken -= 1;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
