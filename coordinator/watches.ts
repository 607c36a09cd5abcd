interface Watch {
  readonly callbacks: Set<() => void>;
  readonly fire: () => void;
}

/**
 * The one-shot watches of one connection.
 *
 * The client library adds a listener for every read with a watch and never takes one away, so a node re-read every few
 * seconds would collect listeners for ever. Here each watched thing has one function for the library, which recognises
 * it and adds it once; our callbacks hang below it and are a set.
 */
export class Watches {
  readonly #watches = new Map<string, Watch>();

  /** The function to hand to the library for `key`, with `onChange` below it: called once, at the next change. */
  add(key: string, onChange: () => void): () => void {
    const known = this.#watches.get(key);
    if (known !== undefined) {
      known.callbacks.add(onChange);
      return known.fire;
    }
    const callbacks = new Set([onChange]);
    // The library may know it twice (a node that was missing, then there), and call it again later.
    const fire = (): void => {
      if (this.#watches.get(key)?.callbacks === callbacks) this.#watches.delete(key);
      const waiting = [...callbacks];
      callbacks.clear();
      for (const callback of waiting) callback();
    };
    this.#watches.set(key, { callbacks, fire });
    return fire;
  }

  /** Takes `onChange` away again, when the read that should have set the watch failed. */
  withdraw(key: string, onChange: () => void): void {
    this.#watches.get(key)?.callbacks.delete(onChange);
  }

  clear(): void {
    for (const { callbacks } of this.#watches.values()) callbacks.clear();
    this.#watches.clear();
  }

  /** Number of callbacks waiting, for the leak tests. */
  get size(): number {
    return this.#watches.values().reduce((sum, { callbacks }) => sum + callbacks.size, 0);
  }
}
