import { slotOf } from '../../db/keyspace/placement.ts';
import type { Log } from '../../runtime/log.ts';
import type { UrlsServer } from '../urls/urls-server.ts';
import type { TakenKey } from './taken-key.ts';
import type { KeySource } from './key-source.ts';

/**
 * Why a key was dropped. `malformed`: a pool had a text that is no key; `duplicate`: it is bound already;
 * `slot_down`: its urls server is down; `unresolved`: its INSERT may have happened; `outdated`: it was held
 * for longer than a mapper may hold a key; `not_returned`: Redis did not take it back.
 */
export type DropReason = 'malformed' | 'duplicate' | 'slot_down' | 'unresolved' | 'outdated' | 'not_returned';

export interface HeldKeysOptions {
  /** The urls server that owns a slot. */
  readonly serverAt: (slot: number) => UrlsServer;
  readonly onDropped: (count: number, reason: DropReason) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly log: Log;
}

/**
 * Every key that this mapper holds, from the take until the key is bound, dropped or back in its pool.
 *
 * The list is complete at every moment, because the audit treats a key that is nowhere else as lost.
 */
export class HeldKeys {
  readonly #options: HeldKeysOptions;
  readonly #held = new Set<TakenKey>();

  constructor(options: HeldKeysOptions) {
    this.#options = options;
  }

  keys(): string[] {
    return Array.from(this.#held, ({ key }) => key);
  }

  /** Holds the keys that a take returned. */
  hold(from: KeySource, keys: readonly string[]): TakenKey[] {
    const takenAtMs = this.#options.now();
    const taken = keys.map((key) => this.#place(key, from, takenAtMs));
    for (const one of taken) this.#held.add(one);
    return taken;
  }

  /** The key is bound. */
  release(taken: TakenKey): void {
    this.#held.delete(taken);
  }

  drop(taken: readonly TakenKey[], reason: DropReason): void {
    for (const one of taken) this.#held.delete(one);
    if (taken.length > 0) this.#options.onDropped(taken.length, reason);
  }

  /**
   * Returns keys to the heads of their pools, or drops them where Redis does not take them. Never rejects.
   */
  async putBack(unused: readonly TakenKey[]): Promise<void> {
    const byPool = Map.groupBy(unused, ({ from }) => from);
    await Promise.all(
      Array.from(byPool, async ([{ pool, name }, taken]) => {
        try {
          await pool.putBack(taken.map(({ key }) => key));
          for (const one of taken) this.#held.delete(one);
        } catch (error) {
          this.#options.log.warn({ error, pool: name, keys: taken.length }, 'keys could not be returned');
          this.drop(taken, 'not_returned');
        }
      }),
    );
  }

  /** The only time that the slot of the key is computed: INSERTs get it with the row. */
  #place(key: string, from: KeySource, takenAtMs: number): TakenKey {
    const slot = slotOf(key);
    return { key, slot, from, takenAtMs, server: this.#options.serverAt(slot) };
  }
}
