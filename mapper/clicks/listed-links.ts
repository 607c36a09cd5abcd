import type { LinkCounts } from './link-counts.ts';

/**
 * Links with clicks that wait to be stored, the oldest first. A flush takes those that were listed before it
 * was due. What was counted for a link is taken only then: so a few rows at a time become objects, which are
 * garbage soon. All at once, they would survive in memory, and delay requests while V8 copies them.
 */
export class ListedLinks {
  #listed: LinkCounts[] = [];
  #due: LinkCounts[] = [];
  /** Of those that are due, which is the next. */
  #next = 0;

  get size(): number {
    return this.#listed.length + this.dueSize;
  }

  get dueSize(): number {
    return this.#due.length - this.#next;
  }

  /** A link has its first click since it was taken. */
  list(link: LinkCounts): void {
    this.#listed.push(link);
  }

  /** All links that are listed now are due. */
  makeDue(): void {
    this.#due = this.dueSize === 0 ? this.#listed : [...this.#due.slice(this.#next), ...this.#listed];
    this.#next = 0;
    this.#listed = [];
  }

  /** The next link that is due: there must be one. It is no longer listed. */
  takeDue(): LinkCounts {
    const link = this.#due[this.#next] as LinkCounts;
    this.#next += 1;
    link.unlist();
    return link;
  }
}
