import type { Bell } from '../bell.ts';

/** Keys to claim again. */
export interface LeakedKeys {
  readonly ids: readonly number[];
  /** Of the write-offs by which they were judged. */
  readonly version: number;
}

interface Request {
  readonly keys: LeakedKeys;
  readonly resolve: (claimed: boolean) => void;
}

/** Leaked keys on their way from the search to the refill, which makes all claims of a reign. */
export class RecycleQueue {
  readonly #requests: Request[] = [];
  readonly #offered: Bell;

  /** @param offered rung when there are keys to claim */
  constructor(offered: Bell) {
    this.#offered = offered;
  }

  get isEmpty(): boolean {
    return this.#requests.length === 0;
  }

  /** Resolves to whether these keys were claimed. If not, the next search finds them again. */
  async offer(keys: LeakedKeys, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const giveUp = (): void => resolve(false);
    signal.addEventListener('abort', giveUp, { once: true });
    this.#requests.push({ keys, resolve });
    this.#offered.ring();
    return promise.finally(() => signal.removeEventListener('abort', giveUp));
  }

  /** Answers all waiting requests: not claimed. */
  refuse(): void {
    for (const { resolve } of this.#requests.splice(0)) resolve(false);
  }

  /**
   * Hands the oldest request to `claim`, which returns whether it claimed. It is not tried twice: a claim
   * without an answer may have been made.
   */
  async claimNext(claim: (keys: LeakedKeys) => Promise<boolean>): Promise<void> {
    const request = this.#requests.shift();
    if (!request) return;
    try {
      request.resolve(await claim(request.keys));
    } catch (error) {
      request.resolve(false);
      throw error;
    }
  }
}
