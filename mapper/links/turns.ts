/**
 * One piece of work at a time for each key, in the order of their calls. So the changes of one link that
 * reach this process together do not make each other start again.
 */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** @throws the error of `work` */
  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const turn = (async () => {
      await before?.catch(() => undefined);
      return work();
    })();
    this.#last.set(key, turn);
    try {
      return await turn;
    } finally {
      if (this.#last.get(key) === turn) this.#last.delete(key);
    }
  }
}
