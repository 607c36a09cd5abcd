import type { Log } from '../../runtime/log.ts';
import type { ProducerMetrics } from '../metrics.ts';
import type { MemberView } from '../../coordinator/overview/producer-member.ts';

/** Reports shards beyond the capacity of all producers: they have no holder until a person adds producers. */
export class CapacityAlarm {
  readonly #metrics: ProducerMetrics;
  readonly #log: Log;
  #shortage = 0;

  constructor(metrics: ProducerMetrics, log: Log) {
    this.#metrics = metrics;
    this.#log = log;
  }

  /** Call with every look at the members; logs each new shortage once. */
  observe(members: readonly MemberView[], shards: number): void {
    const capacity = members.reduce((sum, member) => sum + member.capacity, 0);
    const shortage = Math.max(0, shards - capacity);
    this.#metrics.capacityShortage.set(shortage);
    if (shortage > 0 && shortage !== this.#shortage) {
      this.#log.error(
        { shortage, capacity },
        'more shards than the producers may hold: start another, or raise KEYMILL_PRODUCER_CAPACITY',
      );
    }
    this.#shortage = shortage;
  }
}
