import type { Counter, Gauge, Histogram } from 'prom-client';
import type { Metrics } from '../runtime/metrics.ts';
import type { PoolLevels } from './pools/levels.ts';

/** Every metric of a producer. The names are fixed: docs/contract.md. */
export interface ProducerMetrics {
  readonly keysDelivered: Counter<'keys_db' | 'pool'>;
  readonly deliveries: Counter<'result'>;
  readonly lockHeld: Gauge<'keys_db'>;
  readonly epoch: Gauge<'keys_db'>;
  readonly sessionState: Gauge<'state'>;
  readonly takeovers: Counter;
  readonly takeoverSeconds: Histogram;
  readonly keysUnused: Gauge<'keys_db'>;
  readonly keysRecycled: Counter;
  readonly urlsGoneBack: Gauge<'keys_db' | 'urls_db'>;
  readonly urlsChanges: Counter<'urls_db' | 'kind'>;
  readonly linksGone: Counter;
  readonly capacityShortage: Gauge;
  readonly shardRefused: Gauge<'keys_db' | 'reason'>;
  readonly recyclingBlocked: Gauge<'by'>;
}

export function createProducerMetrics(metrics: Metrics, levels: PoolLevels): ProducerMetrics {
  // A worker without a shard does not read the levels, so it reports none.
  metrics.gauge('pool_level', 'Ready keys in the pool, as last seen', ['pool'], (gauge) => {
    gauge.reset();
    if (levels.isWatched) for (const { name, level } of levels.all()) gauge.set({ pool: name }, level);
  });
  const { refused } = levels;
  metrics.gauge('pool_healthy', '1 while the pool answers and is not refused', ['pool'], (gauge) => {
    gauge.reset();
    if (!levels.isWatched) return;
    for (const { name, isAnswering } of levels.all())
      gauge.set({ pool: name }, isAnswering && !refused.has(name) ? 1 : 0);
  });
  metrics.gauge(
    'store_refused',
    '1 for a store that answers and is not used, because a person must mend it',
    ['store', 'reason'],
    (gauge) => {
      gauge.reset();
      for (const { pool, reason } of refused.all()) gauge.set({ store: pool, reason }, 1);
    },
  );
  metrics.gauge(
    'pool_exhausted_seconds_estimate',
    'How long the pools last at the measured drain if nobody refills them',
    [],
    (gauge) => {
      gauge.reset();
      if (levels.isWatched) gauge.set(levels.secondsLeft);
    },
  );
  return {
    keysDelivered: metrics.counter('keys_delivered_total', 'Keys pushed into a pool', ['keys_db', 'pool']),
    deliveries: metrics.counter('deliveries_total', 'Deliveries by the answer of the pool', ['result']),
    lockHeld: metrics.gauge('lock_held', '1 once reconciled and ready to deliver', ['keys_db']),
    epoch: metrics.gauge('epoch', 'Number of the last reign of this worker over a keys-db', ['keys_db']),
    sessionState: metrics.gauge('session_state', '1 for the state the session is in', ['state']),
    takeovers: metrics.counter('takeovers_total', 'Reigns that became ready'),
    takeoverSeconds: metrics.histogram('takeover_seconds', 'From the lock to ready to deliver'),
    keysUnused: metrics.gauge('keys_unused', 'Generated and not yet claimed, about', ['keys_db']),
    keysRecycled: metrics.counter('keys_recycled_total', 'Leaked keys claimed again'),
    urlsGoneBack: metrics.gauge(
      'urls_gone_back',
      '1 after a urls server has gone back to an earlier state, until an operator has said so',
      ['keys_db', 'urls_db'],
    ),
    urlsChanges: metrics.counter('urls_changes_total', 'Urls servers that were restarted or have gone back', [
      'urls_db',
      'kind',
    ]),
    linksGone: metrics.counter(
      'links_gone_total',
      'Links that were stored and are gone; their keys are written off',
    ),
    capacityShortage: metrics.gauge(
      'capacity_shortage',
      'Shards beyond what all producers together may hold: alarm when above 0',
    ),
    shardRefused: metrics.gauge('shard_refused', '1 while this producer must not contend for a keys-db', [
      'keys_db',
      'reason',
    ]),
    recyclingBlocked: metrics.gauge(
      'recycling_blocked',
      '1 for each store or mapper whose silence stops the recycling of leaked keys',
      ['by'],
    ),
  };
}
