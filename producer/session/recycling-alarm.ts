import type { Log } from '../../runtime/log.ts';
import type { ProducerMetrics } from '../metrics.ts';

/** A node in ZooKeeper, where this is shown, has room for a megabyte, and others write the reasons. */
const MAX_SHOWN = 20;
const MAX_REASON_CHARS = 200;

/**
 * Reports stores and mappers that stop the recycling: while one of them cannot be asked, no key can be
 * counted as leaked.
 */
export class RecyclingAlarm {
  readonly #metrics: ProducerMetrics;
  readonly #log: Log;
  readonly #byShard = new Map<string, ReadonlyMap<string, string>>();
  #reported = '';

  constructor(metrics: ProducerMetrics, log: Log) {
    this.#metrics = metrics;
    this.#log = log;
  }

  /**
   * What stops the recycling, as the last searches found it: why, by the name of the store or mapper. At most
   * {@link MAX_SHOWN} of them.
   */
  get blockedBy(): Readonly<Record<string, string>> {
    const all = new Map([...this.#byShard.values()].flatMap((blockers) => [...blockers]));
    const some = [...all].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, MAX_SHOWN);
    return Object.fromEntries(some.map(([by, why]) => [by, why.slice(0, MAX_REASON_CHARS)]));
  }

  /** Call after every search; logs each change once. @param blockedBy empty after a complete search */
  observe(shard: string, blockedBy: ReadonlyMap<string, string>): void {
    this.#byShard.set(shard, blockedBy);
    this.#report();
  }

  /** The reign over this shard has ended. Another holder searches now. */
  forget(shard: string): void {
    this.#byShard.delete(shard);
    this.#report();
  }

  #report(): void {
    const { blockedBy } = this;
    this.#metrics.recyclingBlocked.reset();
    for (const by of Object.keys(blockedBy)) this.#metrics.recyclingBlocked.set({ by }, 1);
    const names = Object.keys(blockedBy).sort().join(' ');
    if (names === this.#reported) return;
    if (names === '') this.#log.info('leaked keys can be recycled again');
    else {
      this.#log.warn(
        { blockedBy },
        'leaked keys are not recycled: these do not answer, and may hold them. If a mapper is gone for good, run "keymill mappers forget ID"',
      );
    }
    this.#reported = names;
  }
}
