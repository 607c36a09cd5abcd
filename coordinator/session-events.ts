import type { Log } from '../runtime/log.ts';

/**
 * The state of a session.
 *
 * T is the negotiated session timeout. The local monotonic clock (liveness.ts) decides the state:
 *
 * - `connected`: a write sent less than 2/3 T ago was acknowledged. Operations run. New work starts in this
 *   state only. It changes to `suspended` when the connection ends, when 2/3 T pass without an
 *   acknowledgement, or when this process did not run for T/3.
 * - `suspended`: no connection. As far as we can tell, our ephemeral nodes still exist. Nothing new starts
 *   and nothing is given up. New connections are tried until one is attached to the *same* session (→
 *   `connected`).
 * - `lost`: T has passed. Another process may hold our locks. Attaching continues: if the ensemble still has
 *   the session, the session and its locks are still ours (→ `connected`; a lock may write again only after
 *   its node was read).
 * - `expired`: the ensemble has ended the session. Final. Open a new session and contend again.
 * - `closed`: we have ended the session. Final.
 *
 * A connection is never repaired. It is destroyed and a new one is attached. Then, at the event `attached`,
 * all observers read again, because watches die with their connection.
 */
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

  /** @returns a function that removes the listener, as in {@link onAttached} */
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
