import { Problem } from '../http/problem.ts';
import type { Release } from './units.ts';

export interface PlacesOptions {
  /** Requests of all owners at the same time. */
  readonly all: number;
  /** Requests of one owner. */
  readonly ofOwner: number;
  /** An owner gets no more places than he leaves free. So a few of them never take all. */
  readonly isShared?: boolean;
}

/** The id of a user, or what stands for one. */
type Owner = bigint | string;

/** Bounds the long requests that are under way, and so the memory that they need. */
export class Places {
  readonly #options: PlacesOptions;
  readonly #taken = new Map<Owner, number>();
  #count = 0;

  constructor(options: PlacesOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Takes a place for a request. @throws Problem 503 when there is none */
  take(owner: Owner): Release {
    const { all, ofOwner, isShared = false } = this.#options;
    const own = this.#taken.get(owner) ?? 0;
    if (own >= ofOwner || (isShared && own > 0 && own >= all - this.#count))
      throw new Problem('overloaded', { detail: `${whoHas(owner)} ${own} such requests under way already.` });
    if (this.#count >= all) throw new Problem('overloaded');
    this.#count += 1;
    this.#taken.set(owner, own + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#count -= 1;
      const left = (this.#taken.get(owner) ?? 1) - 1;
      if (left === 0) this.#taken.delete(owner);
      else this.#taken.set(owner, left);
    };
  }
}

/** Others may be behind the address of somebody who is not known. */
function whoHas(owner: Owner): string {
  return typeof owner === 'bigint' ? 'You have' : 'Your address has';
}
