import type { Log } from '../runtime/log.ts';

/** session.ts explains each state. */
export type SessionState = 'connected' | 'suspended' | 'lost' | 'expired' | 'closed';

export type StateListener = (state: SessionState, previous: SessionState) => void;

/**
 * The listeners of a session. A listener that throws is logged; the session and the other listeners are not
 * affected.
 */
export class SessionEvents {
  readonly #log: Log;
  readonly #stateListeners = new Set<StateListener>();
  readonly #attachedListeners = new Set<() => void>();
  /** Changes that the listeners have not all received yet. */
  readonly #changes: [SessionState, SessionState][] = [];

  constructor(log: Log) {
    this.#log = log;
  }

  /** @returns stops listening, as in {@link onAttached} */
  onStateChanged(listener: StateListener): () => void {
    this.#stateListeners.add(listener);
    return () => void this.#stateListeners.delete(listener);
  }

  onAttached(listener: () => void): () => void {
    this.#attachedListeners.add(listener);
    return () => void this.#attachedListeners.delete(listener);
  }

  /**
   * A listener that reads the state may cause the next change. All listeners receive the current change
   * first.
   */
  stateChanged(state: SessionState, previous: SessionState): void {
    this.#changes.push([state, previous]);
    if (this.#changes.length > 1) return;
    for (let change = this.#changes[0]; change !== undefined; change = this.#changes[0]) {
      const [to, from] = change;
      for (const listener of this.#stateListeners) this.#call(() => listener(to, from));
      this.#changes.shift();
    }
  }

  attached(): void {
    for (const listener of this.#attachedListeners) this.#call(listener);
  }

  #call(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.#log.error({ error }, 'a listener of the session failed');
    }
  }
}
