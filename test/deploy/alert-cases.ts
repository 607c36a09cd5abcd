/* The series of `deploy/alerts.yml`, in the words of promtool: `a+bxn` is n + 1 values, each b more. */

type Series = Readonly<Record<string, string>>;

/** Without the prefix `keymill_`. One value in 30 s, for 50 minutes. */
export const HEALTHY: Series = {
  'shard_refused{keys_db="keys-db-1",reason="mismatch"}': '0+0x100',
  'shard_refused{keys_db="keys-db-1",reason="gone_back"}': '0+0x100',
  'recycling_blocked{by="mapper-1"}': '0+0x100',
  'lock_held{keys_db="keys-db-1",instance="p1"}': '1+0x100',
  'lock_held{keys_db="keys-db-1",instance="p2"}': '0+0x100',
  capacity_shortage: '0+0x100',
  'pool_level{pool="redis-1"}': '9000+0x100',
  'pool_level{pool="redis-2"}': '3900-10x100',
  pool_exhausted_seconds_estimate: '600+0x100',
  'keys_unused{keys_db="keys-db-1"}': '500000+0x100',
  'keys_unused{keys_db="keys-db-2"}': '1000+100x100',
  'pool_healthy{pool="redis-1"}': '1+0x100',
  'announcements_heard{pool="redis-1",instance="m1"}': '1+0x100',
  'changes_total{heard="all"}': '0+1x100',
  'changes_total{heard="some"}': '7+0x100',
  'store_refused{store="urls-1",reason="mismatch"}': '0+0x100',
  'urls_db_up{urls_db="urls-1"}': '1+0x100',
  'urls_db_writable{urls_db="urls-1"}': '1+0x100',
  'urls_db_takes_own_links{urls_db="urls-1"}': '1+0x100',
  users_db_up: '1+0x100',
  limits_redis_up: '1+0x100',
  blob_store_up: '1+0x100',
  'blob_store_up{instance="m1"}': '1+0x100',
  'blob_store_writable{instance="m1"}': '1+0x100',
  live_clicks_lost_total: '3+0x100',
  blocked_domains_readable: '1+0x100',
  clicks_unresolved_total: '3+0x100',
  'requests_limited_total{limit="anonymous"}': '0+30x100',
  'sign_ins_total{result="wrong"}': '0+1x100',
  'sign_ins_total{result="ok"}': '0+100x100',
  'webhook_delivery_late_seconds{urls_db="urls-1"}': '2+0x100',
  'visits_total{result="unknown"}': '1+0x100',
  'visits_total{result="given"}': '0+100x100',
  'urls_gone_back{keys_db="keys-db-1",urls_db="urls-1"}': '0+0x100',
  links_gone_total: '2+0x100',
  'urls_replica_up{replica="urls-1/1"}': '1+0x100',
  'session_state{state="connected",instance="p1"}': '1+0x100',
  'session_state{state="lost",instance="p1"}': '0+0x100',
  'deliveries_total{result="ok"}': '0+5x100',
  'deliveries_total{result="fenced"}': '4+0x100',
  key_duplicates_total: '9+0x100',
  'shortens_total{result="created"}': '0+100x100',
  'shortens_total{result="no_keys"}': '2+0x100',
  'counter_healthy{instance="m1"}': '1+0x100',
  counter_gone_back_total: '1+0x100',
};

interface Case {
  readonly series: Series;
  /** Of the alert, without its severity. */
  readonly labels: Readonly<Record<string, string>>;
}

/** What raises each alarm. All happen at the same time, so their series differ. */
export const SICK: Readonly<Record<string, Case>> = {
  KeymillShardRefused: {
    series: { 'shard_refused{keys_db="keys-db-1",reason="gone_back",instance="p1"}': '1+0x100' },
    labels: { keys_db: 'keys-db-1', reason: 'gone_back' },
  },
  KeymillRecyclingBlocked: {
    series: { 'recycling_blocked{by="mapper-1"}': '1+0x100' },
    labels: { by: 'mapper-1' },
  },
  KeymillShardWithoutHolder: {
    series: {
      'lock_held{keys_db="keys-db-1",instance="p1"}': '0+0x100',
      'lock_held{keys_db="keys-db-1",instance="p2"}': '0+0x100',
      'lock_held{keys_db="keys-db-2",instance="p2"}': '1+0x100',
    },
    labels: { keys_db: 'keys-db-1' },
  },
  KeymillCapacityShortage: { series: { capacity_shortage: '1+0x100' }, labels: {} },
  KeymillPoolsFalling: {
    series: { 'pool_level{pool="redis-1"}': '3900-10x100', 'pool_level{pool="redis-2"}': '3000-10x100' },
    labels: {},
  },
  KeymillPoolsExhaustedSoon: { series: { pool_exhausted_seconds_estimate: '30+0x100' }, labels: {} },
  KeymillFewUnusedKeys: {
    series: { 'keys_unused{keys_db="keys-db-1"}': '1000+0x100' },
    labels: { keys_db: 'keys-db-1' },
  },
  KeymillPoolUnhealthy: {
    series: {
      'pool_healthy{pool="redis-1",instance="m1"}': '1+0x100',
      'pool_healthy{pool="redis-1",instance="m2"}': '0+0x100',
    },
    labels: { pool: 'redis-1' },
  },
  KeymillAnnouncementsNotHeard: {
    series: {
      'announcements_heard{pool="redis-1",instance="m1"}': '0+0x100',
      'announcements_heard{pool="redis-1",instance="m2"}': '1+0x100',
    },
    labels: { pool: 'redis-1', instance: 'm1' },
  },
  KeymillChangesNotHeard: {
    series: { 'changes_total{heard="some"}': '0+1x100', 'changes_total{heard="all"}': '0+1x100' },
    labels: { heard: 'some' },
  },
  KeymillStoreRefused: {
    series: { 'store_refused{store="urls-1",reason="mismatch"}': '1+0x100' },
    labels: { store: 'urls-1', reason: 'mismatch' },
  },
  KeymillUrlsDbDown: {
    series: { 'urls_db_up{urls_db="urls-3"}': '0+0x100', 'urls_db_up{urls_db="urls-4"}': '1+0x100' },
    labels: { urls_db: 'urls-3' },
  },
  KeymillUsersDbDown: {
    series: { 'users_db_up{instance="m1"}': '0+0x100', 'users_db_up{instance="m2"}': '1+0x100' },
    labels: {},
  },
  KeymillLimitsRedisDown: { series: { limits_redis_up: '0+0x100' }, labels: {} },
  KeymillBlobStoreDown: { series: { blob_store_up: '0+0x100' }, labels: {} },
  KeymillBlobStoreTakesNothing: {
    series: { 'blob_store_up{instance="m1"}': '1+0x100', 'blob_store_writable{instance="m1"}': '0+0x100' },
    labels: { instance: 'm1' },
  },
  KeymillLiveClicksLost: { series: { live_clicks_lost_total: '0+1x100' }, labels: {} },
  KeymillBlockedDomainsUnreadable: { series: { blocked_domains_readable: '0+0x100' }, labels: {} },
  KeymillClicksUnresolved: { series: { clicks_unresolved_total: '0+1x100' }, labels: {} },
  KeymillManyRequestsLimited: {
    series: {
      'requests_limited_total{limit="anonymous"}': '0+300x100',
      'requests_limited_total{limit="key"}': '0+30x100',
    },
    labels: { limit: 'anonymous' },
  },
  KeymillPasswordsTried: { series: { 'sign_ins_total{result="wrong"}': '0+30x100' }, labels: {} },
  KeymillWebhooksLate: {
    series: { 'webhook_delivery_late_seconds{urls_db="urls-1"}': '90+0x100' },
    labels: {},
  },
  KeymillUrlsDbNotWritable: {
    series: { 'urls_db_writable{urls_db="urls-1"}': '0+0x100', 'urls_db_up{urls_db="urls-1"}': '1+0x100' },
    labels: { urls_db: 'urls-1' },
  },
  KeymillVisitsUnknown: { series: { 'visits_total{result="unknown"}': '0+1x100' }, labels: {} },
  KeymillUrlsDbTakesNoOwnLinks: {
    series: {
      'urls_db_takes_own_links{urls_db="urls-2"}': '0+0x100',
      'urls_db_writable{urls_db="urls-2"}': '1+0x100',
    },
    labels: { urls_db: 'urls-2' },
  },
  KeymillUrlsDbGoneBack: {
    series: { 'urls_gone_back{keys_db="keys-db-1",urls_db="urls-1"}': '1+0x100' },
    labels: { urls_db: 'urls-1' },
  },
  KeymillLinksGone: { series: { links_gone_total: '0+1x100' }, labels: {} },
  KeymillReplicaDown: {
    series: { 'urls_replica_up{replica="urls-1/1"}': '0+0x100' },
    labels: { replica: 'urls-1/1' },
  },
  KeymillSessionLost: {
    series: { 'session_state{state="lost",instance="p1"}': '1+0x100' },
    labels: { instance: 'p1' },
  },
  KeymillDeliveriesFenced: { series: { 'deliveries_total{result="fenced"}': '0+1x100' }, labels: {} },
  KeymillKeyDuplicates: { series: { key_duplicates_total: '0+1x100' }, labels: {} },
  KeymillNoKeys: { series: { 'shortens_total{result="no_keys"}': '0+1x100' }, labels: {} },
  KeymillCounterUnhealthy: {
    series: {
      'counter_healthy{instance="m1"}': '1+0x100',
      'counter_healthy{instance="m2"}': '0+0x100',
    },
    labels: { instance: 'm2' },
  },
  KeymillCounterGoneBack: { series: { counter_gone_back_total: '0+1x100' }, labels: {} },
};
