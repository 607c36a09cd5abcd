import { hostname } from 'node:os';
import type { Keyspace } from '../db/keyspace/key.ts';
import { startAdmin, type AdminOptions, type AdminPages } from '../runtime/admin.ts';
import { isoNow } from '../runtime/clock.ts';
import type { MapperConfig } from '../runtime/config/config.ts';
import type { Dashboard } from '../runtime/dashboard/dashboard.ts';
import { dashboardPathOf } from '../runtime/dashboard/paths.ts';
import type { Log } from '../runtime/log.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { OnDemand } from '../runtime/on-demand.ts';
import { countHeld, type HeldByMapper } from './keys/held-by-mapper.ts';
import { RedisMembership } from './redis-membership.ts';
import { SAVES_MEMORY } from './saves-memory.ts';

export interface PresenceOptions extends Pick<AdminOptions, 'ready'> {
  readonly metrics: Pick<Metrics, 'text' | 'contentType' | 'snapshot'>;
  readonly config: MapperConfig;
  readonly publicUrl: string;
  /**
   * All keys that this mapper holds. Rejects when the list would be incomplete: the audit treats a missing
   * key as lost.
   */
  readonly reserve: () => Promise<HeldByMapper>;
  /** Of the configuration. Asked for when somebody looks at the dashboard. */
  readonly keyspace: () => Keyspace;
  readonly log: Log;
}

/**
 * Makes a mapper visible to operators and to the audit: one admin port, and one znode or, without ZooKeeper,
 * one entry in Redis, for any number of processes.
 */
export async function openPresence(
  options: PresenceOptions,
): Promise<{ adminUrl: string } & AsyncDisposable> {
  const { config, publicUrl, reserve, log } = options;
  await using stack = new AsyncDisposableStack();
  const dashboard = new OnDemand(async () => {
    const { openDashboard } = await import('./dashboard.ts');
    return openDashboard({ ...options, held: async () => countHeld(await reserve()) });
  });
  if (!SAVES_MEMORY) await dashboard.get();
  const admin = stack.use(
    await startAdmin({
      ...config.admin,
      metrics: options.metrics,
      ready: options.ready,
      routes: {
        'GET /reserve': reserve,
        'GET /dashboard/report': async (_, query) =>
          (await dashboard.get()).report(query.get('since') ?? undefined),
      },
      pages: pagesOf(dashboard),
      log,
    }),
  );
  const member = {
    id: config.id,
    url: publicUrl,
    admin: admin.url,
    pid: process.pid,
    host: hostname(),
    since: isoNow(),
  };
  if (config.zookeeper === undefined) {
    const [first] = config.stores.redis;
    if (first !== undefined) stack.use(new RedisMembership(first, member, log));
  } else {
    // Only then is the client of ZooKeeper loaded.
    const { MapperMembership } = await import('./membership.ts');
    stack.use(new MapperMembership(config.zookeeper, member, log));
  }
  const opened = stack.move();
  return { adminUrl: admin.url, [Symbol.asyncDispose]: async () => opened.disposeAsync() };
}

/** The pages of a dashboard that may not be loaded yet. */
function pagesOf(dashboard: OnDemand<Dashboard>): AdminPages {
  return {
    pathOf: dashboardPathOf,
    answer: async (...request) => (await dashboard.get()).answer(...request),
    [Symbol.asyncDispose]: async () => dashboard.value?.[Symbol.asyncDispose](),
  };
}
