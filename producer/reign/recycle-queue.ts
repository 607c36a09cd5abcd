import type { Bell } from '../bell.ts';

interface Request {
  readonly ids: readonly number[];
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

  /** Resolves to whether these ids were claimed. If not, the next search finds them again. */
  async offer(ids: readonly number[], signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const giveUp = (): void => resolve(false);
    signal.addEventListener('abort', giveUp, { once: true });
    this.#requests.push({ ids, resolve });
    this.#offered.ring();
    return promise.finally(() => signal.removeEventListener('abort', giveUp));
  }

  /** Answers all waiting requests: not claimed. */
  refuse(): void {
    for (const { resolve } of this.#requests.splice(0)) resolve(false);
  }

  /**
   * Hands the oldest request to `claim`. It is not tried twice: a claim without an answer may have been made.
   */
  async claimNext(claim: (ids: readonly number[]) => Promise<void>): Promise<void> {
    const request = this.#requests.shift();
    if (!request) return;
    try {
      await claim(request.ids);
      request.resolve(true);
    } catch (error) {
      request.resolve(false);
      throw error;
    }
  }
}
