import { parseMapperMember } from '../coordinator/overview/mapper-member.ts';
import { openKeysDb } from '../db/keys-db/keys-db.ts';
import type { Keyspace } from '../db/keyspace/key.ts';
import { counterSource, registrySource } from '../db/overview/small-cluster-source.ts';
import { keysDbsSource, poolsSource, type LookedAtStores } from '../db/overview/stores-source.ts';
import { openPool } from '../db/redis/pool.ts';
import type { AdminOptions, Readiness } from '../runtime/admin.ts';
import type { MapperConfig } from '../runtime/config/config.ts';
import type { ZooKeeperConfig } from '../runtime/config/zookeeper.ts';
import { Dashboard, type DashboardOptions } from '../runtime/dashboard/dashboard.ts';
import { factsOf } from '../runtime/dashboard/facts.ts';
import { readFigures } from '../runtime/dashboard/figures.ts';
import { reportsSource } from '../runtime/dashboard/reports.ts';
import type { Report } from '../runtime/dashboard/seen.ts';
import { lazySource, type Source } from '../runtime/dashboard/source.ts';
import { Timeline } from '../runtime/dashboard/timeline.ts';
import { QUIET_LOG } from '../runtime/log.ts';
import type { Metrics } from '../runtime/metrics.ts';

interface DashboardParts {
  readonly config: MapperConfig;
  readonly metrics: Pick<Metrics, 'snapshot'>;
  readonly ready: AdminOptions['ready'];
  readonly keyspace: () => Keyspace;
  /** How many keys it holds and has not used, about. */
  readonly held: () => Promise<number>;
}

/**
 * The dashboard of a mapper, for all of its processes. It has connections of its own, which are open while
 * somebody looks: a parent of several processes has no others, and nobody who looks delays a request.
 */
export function openDashboard(parts: DashboardParts): Dashboard {
  return new Dashboard(whatIsLookedAt(parts));
}

/** What the dashboard of a mapper reads. Nothing is open before somebody looks. */
export function whatIsLookedAt({ config, metrics, ready, keyspace, held }: DashboardParts): DashboardOptions {
  const { id, zookeeper, admin, stores } = config;
  const timeline = new Timeline();
  const facts = factsOf({ id, kind: 'mapper', hasZooKeeper: zookeeper !== undefined }, stores);
  const urlsDbs = facts.urlsDbs.map(({ name }) => name);
  const report = async (mark?: string): Promise<Report> => {
    const readiness = await ready();
    return {
      ...timeline.after(mark),
      isReady: readiness.ok,
      unusable: degradedOf(readiness),
      figures: await readFigures(metrics),
      drain: null,
      held: stores.keySource === 'counter' ? await held().catch(() => null) : null,
    };
  };
  const self = { id, kind: facts.kind, report };
  return {
    facts,
    token: admin.token,
    timeline,
    sources: [
      ...(zookeeper === undefined ? [] : zookeeperSources(zookeeper, facts.shards)),
      ...smallSources(config, keyspace),
      ...(stores.keySource === 'pools'
        ? [poolsSource(() => openStores(config, keyspace(), 'pools'), facts.shards)]
        : []),
      ...(facts.shards.length === 0
        ? []
        : [keysDbsSource(() => openStores(config, keyspace(), 'keys-dbs'), urlsDbs)]),
      reportsSource({ self, facts, token: admin.token, timeline }),
    ],
    report,
  };
}

/** A mapper without ZooKeeper never loads its client, which needs 4 MB. */
function zookeeperSources(zookeeper: ZooKeeperConfig, shards: readonly string[]): Source[] {
  const load = async () => import('../coordinator/overview/cluster-source.ts');
  return [
    lazySource(async () => (await load()).clusterSource(zookeeper, shards)),
    lazySource(async () => (await load()).zookeeperServersSource(zookeeper)),
  ];
}

/** What there is in a small cluster, and while it grows. */
function smallSources({ zookeeper, stores }: MapperConfig, keyspace: () => Keyspace): Source[] {
  const { keySource, redis, usersDb } = stores;
  const [first] = redis;
  const hasCounter = keySource === 'counter';
  return [
    ...(first !== undefined && (zookeeper === undefined || hasCounter)
      ? [registrySource(first, parseMapperMember)]
      : []),
    ...(usersDb !== undefined && hasCounter ? [counterSource(usersDb, () => keyspace().maxId)] : []),
  ];
}

function degradedOf({ degraded }: Readiness): string[] {
  return Array.isArray(degraded) ? degraded.filter((name) => typeof name === 'string') : [];
}

/** Connects when first asked. */
function openStores(
  { stores }: MapperConfig,
  keyspace: Keyspace,
  wanted: 'pools' | 'keys-dbs',
): LookedAtStores {
  const log = QUIET_LOG;
  const pools = wanted === 'pools' ? stores.redis.map((shard) => openPool({ ...shard, keyspace, log })) : [];
  const keysDbs =
    wanted === 'pools' ? [] : stores.keysDbs.map((one) => openKeysDb({ ...one, keyspace, log }));
  return {
    keyspace,
    pools,
    keysDbs,
    [Symbol.asyncDispose]: async () => {
      await Promise.allSettled([
        ...pools.map(async (pool) => pool[Symbol.asyncDispose]()),
        ...keysDbs.map(async (keysDb) => keysDb.close()),
      ]);
    },
  };
}
