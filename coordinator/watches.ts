interface Watch {
  readonly callbacks: Set<() => void>;
  readonly fire: () => void;
}

/**
 * The one-shot watches of one connection.
 *
 * The client library adds a listener for every read with a watch and never removes one, so a node that is
 * read every few seconds would collect listeners forever. Here each watched path has one function for the
 * library, which recognises it and adds it once. Our callbacks are a set below that function.
 */
export class Watches {
  readonly #watches = new Map<string, Watch>();

  /** The function to pass to the library for `key`. It calls `onChange` once, at the next change. */
  add(key: string, onChange: () => void): () => void {
    const known = this.#watches.get(key);
    if (known !== undefined) {
      known.callbacks.add(onChange);
      return known.fire;
    }
    const callbacks = new Set([onChange]);
    // The library may have this twice (for a node that was missing and then existed) and call it twice.
    const fire = (): void => {
      if (this.#watches.get(key)?.callbacks === callbacks) this.#watches.delete(key);
      const waiting = [...callbacks];
      callbacks.clear();
      for (const callback of waiting) callback();
    };
    this.#watches.set(key, { callbacks, fire });
    return fire;
  }

  /** Removes `onChange` when the read that should have set the watch has failed. */
  withdraw(key: string, onChange: () => void): void {
    this.#watches.get(key)?.callbacks.delete(onChange);
  }

  clear(): void {
    for (const { callbacks } of this.#watches.values()) callbacks.clear();
    this.#watches.clear();
  }

  /** Number of waiting callbacks, for the leak tests. */
  get size(): number {
    return this.#watches.values().reduce((sum, { callbacks }) => sum + callbacks.size, 0);
  }
}
