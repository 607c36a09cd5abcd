import { StoreUnavailableError } from '../../db/store-errors.ts';

/**
 * Counts the requests that wait for each server, and bounds them. A request counts for the server that it
 * waits for at this moment. So one that hangs uses up its own places, and not those of others.
 */
export class Places {
  readonly #most: number;
  readonly #counts = new Map<string, number>();

  /** @param most places of each server */
  constructor(most: number) {
    this.#most = most;
  }

  countAt(server: string): number {
    return this.#counts.get(server) ?? 0;
  }

  /** @throws StoreUnavailableError when too many requests wait for the server, or the error of `work` */
  async at<T>(server: string, work: () => Promise<T>): Promise<T> {
    if (this.countAt(server) >= this.#most)
      throw new StoreUnavailableError(server, 'too many requests wait for it already');
    this.#add(server, 1);
    try {
      return await work();
    } finally {
      this.#add(server, -1);
    }
  }

  /** The same for a part of the work of a request that counts for `home`, and meanwhile does not. */
  async awayFrom<T>(home: string, server: string, work: () => Promise<T>): Promise<T> {
    if (home === server) return work();
    return this.at(server, async () => {
      this.#add(home, -1);
      try {
        return await work();
      } finally {
        this.#add(home, 1);
      }
    });
  }

  #add(server: string, count: number): void {
    this.#counts.set(server, this.countAt(server) + count);
  }
}
