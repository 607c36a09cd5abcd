/**
 * One piece of work at a time for each key, in the order of their calls. So the changes of one link that
 * reach this process together do not make each other start again.
 */
export class Turns {
  readonly #maxWaiting: number;
  readonly #last = new Map<string, Promise<unknown>>();
  #waiting = 0;

  /** @param maxWaiting most pieces of work, of all keys together, that are under way or wait */
  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting;
  }

  get isFull(): boolean {
    return this.#waiting >= this.#maxWaiting;
  }

  /** @throws the error of `work` */
  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const turn = (async () => {
      await before?.catch(() => undefined);
      return work();
    })();
    this.#last.set(key, turn);
    this.#waiting += 1;
    try {
      return await turn;
    } finally {
      this.#waiting -= 1;
      if (this.#last.get(key) === turn) this.#last.delete(key);
    }
  }
}
