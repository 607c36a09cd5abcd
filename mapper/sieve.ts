/** One entry of a {@link Sieve}: a node of its list, newest first. */
interface Node<V> {
  readonly key: string;
  value: V;
  bytes: number;
  isVisited: boolean;
  newer: Node<V> | undefined;
  older: Node<V> | undefined;
}

/**
 * A bounded map with SIEVE eviction (Zhang et al., NSDI 2024): entries stand in order of insertion, a hit only sets a bit;
 * to evict, a hand walks from the oldest to the newest, clears set bits and removes the first entry without one, and stays there.
 * As cheap on a hit as a plain Map, and better than LRU on the skewed loads of redirects.
 */
export class Sieve<V> {
  readonly #entries = new Map<string, Node<V>>();
  readonly #maxBytes: number;
  readonly #sizeOf: (key: string, value: V) => number;
  #bytes = 0;
  #newest: Node<V> | undefined;
  #oldest: Node<V> | undefined;
  #hand: Node<V> | undefined;

  /** @param sizeOf bytes that an entry takes, overhead included; must not change while the entry is held */
  constructor(maxBytes: number, sizeOf: (key: string, value: V) => number) {
    this.#maxBytes = maxBytes;
    this.#sizeOf = sizeOf;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): V | undefined {
    const node = this.#entries.get(key);
    if (node === undefined) return undefined;
    node.isVisited = true;
    return node.value;
  }

  /** Inserts or replaces. An entry larger than the whole bound is not kept. */
  set(key: string, value: V): void {
    this.delete(key);
    const bytes = this.#sizeOf(key, value);
    if (bytes > this.#maxBytes) return;
    while (this.#bytes + bytes > this.#maxBytes) this.#evict();
    const node: Node<V> = { key, value, bytes, isVisited: false, newer: undefined, older: this.#newest };
    if (this.#newest !== undefined) this.#newest.newer = node;
    this.#newest = node;
    this.#oldest ??= node;
    this.#entries.set(key, node);
    this.#bytes += bytes;
  }

  delete(key: string): boolean {
    const node = this.#entries.get(key);
    if (node === undefined) return false;
    this.#remove(node);
    return true;
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
    this.#newest = this.#oldest = this.#hand = undefined;
  }

  #evict(): void {
    let node = this.#hand ?? this.#oldest;
    while (node?.isVisited === true) {
      node.isVisited = false;
      node = node.newer ?? this.#oldest;
    }
    if (node === undefined) return;
    this.#hand = node;
    this.#remove(node);
  }

  #remove(node: Node<V>): void {
    if (this.#hand === node) this.#hand = node.newer;
    if (node.newer === undefined) this.#newest = node.older;
    else node.newer.older = node.older;
    if (node.older === undefined) this.#oldest = node.newer;
    else node.older.newer = node.newer;
    this.#entries.delete(node.key);
    this.#bytes -= node.bytes;
  }
}
