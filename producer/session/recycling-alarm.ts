import type { Log } from '../../runtime/log.ts';
import type { ProducerMetrics } from '../metrics.ts';

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

  /** What stops the recycling, as the last searches found it: why, by the name of the store or mapper. */
  get blockedBy(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.#byShard.values()].flatMap((blockers) => [...blockers]));
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
