import { ClientCounts } from '../../db/redis/client-counts.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { MapperConfig } from '../../runtime/config/config.ts';
import type { KeyspaceIdentity } from '../../runtime/config/keyspace-identity.ts';
import type { Log } from '../../runtime/log.ts';
import type { MapperMetrics } from '../metrics.ts';
import { Networks } from './client-address.ts';
import { Limits } from './limits.ts';

export interface OpenLimitsOptions {
  readonly config: Pick<MapperConfig, 'limits' | 'stores'>;
  readonly keyspace: KeyspaceIdentity;
  readonly metrics: Pick<MapperMetrics, 'requestsLimited'>;
  readonly log: Log;
}

export interface OpenedLimits extends AsyncDisposable {
  readonly rules: Limits;
  /** The Redis that counts for all mappers. Undefined: none is configured. */
  readonly shared: { readonly name: string; readonly isConnected: boolean } | undefined;
}

/** How long the start waits for the Redis. Without it, new links without an account are refused. */
const FIRST_ANSWER_MS = 500;

/** Opens the Redis that counts for all mappers, if one is configured, and waits for it briefly. */
export async function openLimits({
  config,
  keyspace,
  metrics,
  log,
}: OpenLimitsOptions): Promise<OpenedLimits> {
  const { perMinute, loopback, trustedProxies, redis } = config.limits;
  const { secret } = config.stores.keys;
  const shared = redis && new ClientCounts({ ...redis, keyspace, secret, nowMs: Date.now, log });
  await shared?.whenConnected(FIRST_ANSWER_MS);
  const rules = new Limits({
    perMinute,
    clients: { trusted: new Networks(trustedProxies), limitsLoopback: loopback },
    shared,
    onRefused: (limit) => metrics.requestsLimited.inc({ limit }),
    now: monotonicMs,
    log,
  });
  return { rules, shared, [Symbol.asyncDispose]: async () => shared?.[Symbol.asyncDispose]() };
}
