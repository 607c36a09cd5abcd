import { slotOf } from '../../db/keyspace/placement.ts';
import type { HistoryEntry } from '../history/history.ts';
import type { PutBack } from '../history/measurements.ts';

/**
 * The links that a drill itself may have lost, because it put a urls server back to an older state: those of
 * its slots that were acknowledged since. They may answer 404 afterwards. Nothing else about them is excused.
 */
export class LostLinks {
  readonly #putBack: readonly PutBack[];
  /** Key → when the drill had put back the server that had its link. */
  readonly #lostAt = new Map<string, number>();

  constructor(putBack: readonly PutBack[]) {
    this.#putBack = putBack;
  }

  /** Expects entries in the order of their ends. */
  add(entry: HistoryEntry): void {
    if (entry.op !== 'shorten' || entry.outcome !== 'acked' || entry.key === undefined) return;
    const { key } = entry;
    const ackedMs = entry.at + entry.ms;
    const put = this.#putBack.find(
      ({ slots, fromMs, toMs }) => ackedMs >= fromMs && ackedMs <= toMs && slots.has(slotOf(key)),
    );
    if (put) this.#lostAt.set(key, put.toMs);
  }

  get keys(): ReadonlySet<string> {
    return new Set(this.#lostAt.keys());
  }

  /** Whether an answer that came at this time may say that the link does not exist. */
  mayBeLost(key: string, atMs = Infinity): boolean {
    return (this.#lostAt.get(key) ?? Infinity) <= atMs;
  }
}
