import { AnswerDeadline } from '../../runtime/answer-deadline.ts';
import { Problem } from '../http/problem.ts';

export interface PlacesOptions {
  /** Places, or bytes, of all. */
  readonly count: number;
  /** Of one client. As many of its requests may wait. */
  readonly ofOne: number;
  readonly maxWaiting: number;
  /** How long one may wait for a place. */
  readonly waitMs: number;
}

interface Waiting {
  readonly client: string | undefined;
  readonly size: number;
  readonly resolve: () => void;
}

/**
 * A bounded number of things are under way at a time, and of each client a part of them. Others wait, for a
 * bounded time, in their order.
 */
export class ReadingPlaces {
  readonly #options: PlacesOptions;
  readonly #waiting = new Set<Waiting>();
  /** What each client has, and how many of its requests wait. */
  readonly #taken = new Counts();
  readonly #asking = new Counts();
  #all = 0;

  constructor(options: PlacesOptions) {
    this.#options = options;
  }

  /**
   * @param client undefined: it has no bound of its own
   * @param size in places
   * @returns gives them back, once
   * @throws Problem 503 when none was free in time
   */
  async take(client: string | undefined, size = 1): Promise<() => void> {
    if (this.#waiting.size === 0 && this.#isFree(size) && this.#mayHave(client, size))
      this.#give(client, size);
    else await this.#wait(client, size);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#all -= size;
      this.#taken.add(client, -size);
      this.#passOn();
    };
  }

  async #wait(client: string | undefined, size: number): Promise<void> {
    const { ofOne, maxWaiting, waitMs } = this.#options;
    if (this.#waiting.size >= maxWaiting || this.#asking.of(client) >= ofOne) throw new Problem('overloaded');
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting = { client, size, resolve };
    this.#waiting.add(waiting);
    this.#asking.add(client, 1);
    this.#passOn();
    const deadline = new AnswerDeadline(waitMs, () => {
      if (!this.#waiting.delete(waiting)) return;
      reject(new Problem('overloaded'));
      // It may have been in the way of others, which need less.
      this.#passOn();
    });
    try {
      await promise;
    } finally {
      deadline.clear();
      this.#asking.add(client, -1);
    }
  }

  /** Those that wait longest come first. Only a client that has its part already is passed over. */
  #passOn(): void {
    for (const waiting of this.#waiting) {
      const { client, size, resolve } = waiting;
      if (!this.#isFree(size)) return;
      if (!this.#mayHave(client, size)) continue;
      this.#waiting.delete(waiting);
      this.#give(client, size);
      resolve();
    }
  }

  #give(client: string | undefined, size: number): void {
    this.#all += size;
    this.#taken.add(client, size);
  }

  #isFree(size: number): boolean {
    return this.#all + size <= this.#options.count;
  }

  #mayHave(client: string | undefined, size: number): boolean {
    return this.#taken.of(client) + size <= this.#options.ofOne;
  }
}

/** A number for each client that has one. */
class Counts {
  readonly #counts = new Map<string, number>();

  of(client: string | undefined): number {
    return client === undefined ? 0 : (this.#counts.get(client) ?? 0);
  }

  add(client: string | undefined, number: number): void {
    if (client === undefined) return;
    const count = this.of(client) + number;
    if (count === 0) this.#counts.delete(client);
    else this.#counts.set(client, count);
  }
}
