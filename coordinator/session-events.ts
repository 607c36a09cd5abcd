import type { Log } from '../runtime/log.ts';

/** See session.ts for what each means. */
export type SessionState = 'connected' | 'suspended' | 'lost' | 'expired' | 'closed';

export type StateListener = (state: SessionState, previous: SessionState) => void;

/** Who wants to hear of a session. A listener that throws is logged, and harms neither the session nor other listeners. */
export class SessionEvents {
  readonly #log: Log;
  readonly #stateListeners = new Set<StateListener>();
  readonly #attachedListeners = new Set<() => void>();
  /** Changes being told. */
  readonly #changes: [SessionState, SessionState][] = [];

  constructor(log: Log) {
    this.#log = log;
  }

  /** Returns how to stop listening, as does {@link onAttached}. */
  onStateChanged(listener: StateListener): () => void {
    this.#stateListeners.add(listener);
    return () => void this.#stateListeners.delete(listener);
  }

  onAttached(listener: () => void): () => void {
    this.#attachedListeners.add(listener);
    return () => void this.#attachedListeners.delete(listener);
  }

  /** A listener that asks for the state may bring about the next change: everybody hears of this one first. */
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
