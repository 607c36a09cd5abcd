import { monotonicMs } from '../../runtime/clock.ts';
import type { MapperConfig } from '../../runtime/config/config.ts';
import type { Log } from '../../runtime/log.ts';
import type { MapperMetrics } from '../metrics.ts';
import { Networks } from './client-address.ts';
import { Limits } from './limits.ts';

export interface OpenLimitsOptions {
  readonly config: Pick<MapperConfig, 'limits'>;
  readonly metrics: Pick<MapperMetrics, 'requestsLimited'>;
  readonly log: Log;
}

export interface OpenedLimits extends AsyncDisposable {
  readonly rules: Limits;
}

/** Opens the Redis that counts for all mappers, if one is configured. Does not wait for it. */
export function openLimits({ config, metrics, log }: OpenLimitsOptions): OpenedLimits {
  const { perMinute, loopback, trustedProxies } = config.limits;
  const stack = new AsyncDisposableStack();
  const rules = new Limits({
    perMinute,
    clients: { trusted: new Networks(trustedProxies), limitsLoopback: loopback },
    shared: undefined,
    onRefused: (limit) => metrics.requestsLimited.inc({ limit }),
    now: monotonicMs,
    log,
  });
  return { rules, [Symbol.asyncDispose]: async () => stack.disposeAsync() };
}
