import type { TakenKey } from './key-supply.ts';
import type { UrlsServer } from './urls-server.ts';

/** Keys held ready, in the order in which they came. */
export class Reserve {
  #keys: TakenKey[] = [];

  get size(): number {
    return this.#keys.length;
  }

  add(taken: TakenKey): void {
    this.#keys.push(taken);
  }

  /** Removes the first key whose link would lie on `wanted`, or else the first of all. */
  take(wanted: UrlsServer | undefined): TakenKey | undefined {
    const keys = this.#keys;
    if (wanted === undefined) return keys.shift();
    let at = 0;
    for (const { server } of keys) {
      if (server === wanted) return at === 0 ? keys.shift() : keys.splice(at, 1)[0];
      at += 1;
    }
    return keys.shift();
  }

  /** Removes those of which `isOut` is true. */
  remove(isOut: (taken: TakenKey) => boolean): TakenKey[] {
    const kept: TakenKey[] = [];
    const removed: TakenKey[] = [];
    for (const taken of this.#keys) (isOut(taken) ? removed : kept).push(taken);
    this.#keys = kept;
    return removed;
  }

  removeAll(): TakenKey[] {
    return this.#keys.splice(0);
  }
}
