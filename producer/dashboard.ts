import type { LockHolder } from '../coordinator/lock-holder.ts';
import { clusterSource, zookeeperServersSource } from '../coordinator/overview/cluster-source.ts';
import { lockEntries } from '../coordinator/overview/lock-entries.ts';
import { parseMapperMember } from '../coordinator/overview/mapper-member.ts';
import { registrySource } from '../db/overview/small-cluster-source.ts';
import { keysDbsSource, poolsSource, type LookedAtStores } from '../db/overview/stores-source.ts';
import type { Readiness } from '../runtime/admin.ts';
import type { ProducerConfig } from '../runtime/config/config.ts';
import type { StoresConfig } from '../runtime/config/stores.ts';
import { Dashboard } from '../runtime/dashboard/dashboard.ts';
import { factsOf } from '../runtime/dashboard/facts.ts';
import { readFigures } from '../runtime/dashboard/figures.ts';
import type { LockSeen, Report } from '../runtime/dashboard/seen.ts';
import { reportsSource } from '../runtime/dashboard/reports.ts';
import { lockEvents, storeEvent, Timeline } from '../runtime/dashboard/timeline.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { PoolLevels } from './pools/levels.ts';
import type { ProducerStores } from './stores.ts';

/** The body of a producer's `/readyz`. */
export interface ProducerReadiness extends Readiness {
  readonly unreachable: readonly string[];
  readonly refusedPools: readonly { readonly pool: string }[];
}

/**
 * Remembers what became of shards and pools within the last hour, for all dashboards of the cluster. A
 * producer sees every change of the locks anyway, so this costs nothing while nobody looks.
 */
export class ClusterMemory {
  readonly timeline = new Timeline();
  readonly #shards: readonly string[];
  readonly #answered = new Set<string>();
  #locks: readonly LockSeen[] | undefined;

  constructor({ keysDbs }: Pick<StoresConfig, 'keysDbs'>) {
    this.#shards = keysDbs.map(({ name }) => name);
  }

  readonly onLocks = (locks: ReadonlyMap<string, LockHolder>): void => {
    const seen = lockEntries(this.#shards, locks);
    this.timeline.add(lockEvents(this.#locks, seen, Date.now()));
    this.#locks = seen;
  };

  readonly onAnswering = (pool: string, isAnswering: boolean): void => {
    // Its first answer is no news.
    if (this.#answered.has(pool))
      this.timeline.add([
        isAnswering
          ? storeEvent('back', pool, 'answers again', Date.now())
          : storeEvent('away', pool, 'does not answer', Date.now()),
      ]);
    this.#answered.add(pool);
  };
}

interface DashboardParts {
  readonly config: ProducerConfig;
  readonly stores: ProducerStores;
  readonly levels: PoolLevels;
  readonly memory: ClusterMemory;
  readonly metrics: Pick<Metrics, 'snapshot'>;
  readonly ready: () => ProducerReadiness;
}

/** The dashboard of a producer. It reads over the connections that the producer has. */
export function openDashboard({ config, stores, levels, memory, metrics, ready }: DashboardParts): Dashboard {
  const { id, zookeeper, admin } = config;
  const { timeline } = memory;
  const [first] = config.stores.redis;
  const facts = factsOf({ id, kind: 'producer', hasZooKeeper: true }, config.stores);
  const urlsDbs = facts.urlsDbs.map(({ name }) => name);
  const lend = (): LookedAtStores => ({ ...stores, [Symbol.asyncDispose]: async () => undefined });
  const report = async (mark?: string): Promise<Report> => {
    const { ok, unreachable, refusedPools } = ready();
    return {
      ...timeline.after(mark),
      isReady: ok,
      unusable: [...new Set([...unreachable, ...refusedPools.map(({ pool }) => pool)])],
      figures: await readFigures(metrics),
      drain: levels.keysPerSecond,
      held: null,
    };
  };
  const self = { id, kind: facts.kind, report };
  return new Dashboard({
    facts,
    token: admin.token,
    timeline,
    sources: [
      clusterSource(zookeeper, facts.shards),
      zookeeperServersSource(zookeeper),
      // While a cluster grows, mappers that run since before there was a ZooKeeper are known there only.
      ...(first === undefined ? [] : [registrySource(first, parseMapperMember)]),
      poolsSource(lend, facts.shards),
      keysDbsSource(lend, urlsDbs),
      reportsSource({ self, facts, token: admin.token, timeline }),
    ],
    report,
  });
}
