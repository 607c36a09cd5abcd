import { openImportsDb } from '../../../db/imports/imports-db.ts';
import { createKeyspace } from '../../../db/keyspace/key.ts';
import { openOwnLinksDb } from '../../../db/own-links/own-links-db.ts';
import type { WantsEvents } from '../../../db/outbox/link-events.ts';
import { subscribeInvalidations } from '../../../db/redis/invalidation.ts';
import { openPool } from '../../../db/redis/pool.ts';
import { openUrlsDb, type UrlsDb } from '../../../db/urls/links.ts';
import { LINKS_APPEARED } from '../../../mapper/cache/appeared-links.ts';
import { PoolKeys } from '../../../mapper/import-jobs/pool-keys.ts';
import type { ImportPorts } from '../../../mapper/import-jobs/ports.ts';
import { monotonicMs } from '../../../runtime/clock.ts';
import { QUIET_LOG } from '../../../runtime/log.ts';
import { ASK_DEADLINE_MS, askOnly } from './ask.ts';
import type { Cluster } from './find-cluster.ts';

/** The stores of a cluster, as an import needs them, until disposed of. */
export interface OpenImportPorts extends AsyncDisposable {
  readonly ports: ImportPorts;
}

/**
 * Opens the stores that an import works with. All urls servers must answer: a file has links for each.
 * @throws UnreachableError; UsageError when a store belongs to another cluster
 */
export async function openImportPorts(
  { config: { stores } }: Cluster,
  wantsEvents: WantsEvents,
): Promise<OpenImportPorts> {
  await using stack = new AsyncDisposableStack();
  const keyspace = createKeyspace(stores.keys);
  const pools = stores.redis.map((shard) => stack.use(openPool({ ...shard, keyspace, log: QUIET_LOG })));
  const urlsDbs = stores.urlsDbs.map((urlsDb) =>
    openUrlsDb({ ...urlsDb, keyspace, log: QUIET_LOG, connections: 1 }),
  );
  for (const urlsDb of urlsDbs) stack.defer(async () => urlsDb.close());
  await refuseForeign(urlsDbs);
  const servers = stores.urlsDbs.map((urlsDb, index) => {
    const imports = openImportsDb({ ...urlsDb, wantsEvents });
    const ownLinks = openOwnLinksDb({ ...urlsDb, wantsEvents });
    stack.defer(async () => imports.close());
    stack.defer(async () => ownLinks.close());
    return { imports, ownLinks, expectForeignCodes: async () => urlsDbs[index]?.recordForeignCodes() };
  });
  await Promise.all(pools.map(async (pool) => pool.whenConnected(ASK_DEADLINE_MS)));
  const invalidations = stack.use(
    subscribeInvalidations({
      shards: stores.redis.flatMap(({ name, url }, index) => {
        const pool = pools[index];
        return pool === undefined ? [] : [{ name, url, pool }];
      }),
      log: QUIET_LOG,
      // This process remembers no links.
      onInvalidated: () => undefined,
      onSubscribed: () => undefined,
      onHeardAgain: () => undefined,
    }),
  );
  await invalidations.whenSubscribed(ASK_DEADLINE_MS);
  const opened = stack.move();
  return {
    ports: {
      servers,
      keys: new PoolKeys(pools, keyspace.length),
      announce: {
        changed: async (keys) => void (await invalidations.announce(keys)),
        appeared: async () => void (await invalidations.announce([LINKS_APPEARED])),
      },
      now: monotonicMs,
    },
    [Symbol.asyncDispose]: async () => opened.disposeAsync(),
  };
}

/** With another map of slots, or a server of another cluster, links would be where nobody looks for them. */
async function refuseForeign(urlsDbs: readonly UrlsDb[]): Promise<void> {
  for (const urlsDb of urlsDbs) await askOnly(urlsDb.name, async () => urlsDb.verifySlots(urlsDbs));
}
