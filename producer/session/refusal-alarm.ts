import type { Log } from '../../runtime/log.ts';
import type { ProducerMetrics } from '../metrics.ts';
import { messageOfRefusal, NEEDS_OPERATOR, type RefusalReason } from './refusal.ts';

/** Reports shards that this producer must not contend for. */
export class RefusalAlarm {
  readonly #metrics: ProducerMetrics;
  readonly #log: Log;
  /** The shards of each reason, as last reported. */
  #reported = new Map<RefusalReason, string>();

  constructor(metrics: ProducerMetrics, log: Log) {
    this.#metrics = metrics;
    this.#log = log;
  }

  /** Call with every look at the cluster; logs each change once. */
  observe(refusals: ReadonlyMap<string, RefusalReason>): void {
    const now = new Map<RefusalReason, string[]>();
    for (const [shard, reason] of refusals) now.set(reason, [...(now.get(reason) ?? []), shard]);
    this.#metrics.shardRefused.reset();
    for (const [shard, reason] of refusals) this.#metrics.shardRefused.set({ keys_db: shard, reason }, 1);
    const alarming = [...now].filter(([reason]) => NEEDS_OPERATOR.has(reason));
    const reported = new Map(alarming.map(([reason, shards]) => [reason, shards.join(' ')]));
    for (const [reason, shards] of alarming) {
      if (this.#reported.get(reason) === reported.get(reason)) continue;
      this.#log.error(
        { shards, reason },
        `${messageOfRefusal(reason)}; until then nobody contends for these`,
      );
    }
    for (const reason of this.#reported.keys()) {
      if (!reported.has(reason)) this.#log.info({ reason }, 'shards may be contended for again');
    }
    this.#reported = reported;
  }
}
