import { blockerEntries, refusedEntries, unheldEntries } from '../../../coordinator/overview/alarms.ts';
import { lockEntries } from '../../../coordinator/overview/lock-entries.ts';
import { producerEntries } from '../../../coordinator/overview/producer-entries.ts';
import { createKeyspace } from '../../../db/keyspace/key.ts';
import { urlsDbEntries } from '../../../db/overview/gone-back.ts';
import { Inquiry } from './ask.ts';
import { readCounter } from './counter-state.ts';
import type { Cluster } from './find-cluster.ts';
import { readKeysDbs } from './keys-dbs.ts';
import { readMappers } from './members.ts';
import { askForMembers } from './membership.ts';
import { readPools } from './pool-levels.ts';
import { readReservedAliases } from './reserved-aliases.ts';
import { NOTHING_KNOWN } from './strangers.ts';

/** The whole cluster at one moment. */
export type SeenCluster = Awaited<ReturnType<typeof readClusterStatus>>;

/** Asks every part of the cluster, each with its own deadline. */
export async function readClusterStatus({ config }: Cluster) {
  const { stores } = config;
  const keyspace = createKeyspace(stores.keys);
  const inquiry = new Inquiry();
  const isSmall = config.zookeeper === undefined;
  const coordinationAsked = askForMembers(inquiry, config);
  const keysDbsAsked = readKeysDbs(inquiry, stores, keyspace);
  // Reads the levels from Redis while the watermarks are read from ZooKeeper.
  const poolsAsked = readPools(inquiry, { ...stores, keyspace }, coordinationAsked);
  const counterAsked = readCounter(inquiry, stores, keyspace);
  const reservedAliasesAsked = readReservedAliases(inquiry, stores);
  const coordination = (await coordinationAsked) ?? NOTHING_KNOWN;
  const mappersAsked = readMappers(coordination);
  const shards = stores.keysDbs.map(({ name }) => name);
  const { keysDbs, alarms } = await keysDbsAsked;
  const isKnown = coordination !== NOTHING_KNOWN;
  return {
    isSmall,
    /** False when ZooKeeper did not answer. */
    isKnown,
    coordination,
    shards,
    inquiry,
    /** The document of `--json`. */
    status: {
      locks: lockEntries(shards, coordination.locks),
      pools: await poolsAsked,
      counter: await counterAsked,
      producers: producerEntries(coordination),
      mappers: await mappersAsked,
      keysDbs,
      urlsDbs: urlsDbEntries(
        stores.urlsDbs.map(({ name }) => name),
        alarms,
      ),
      unheld: isSmall || !isKnown ? [] : unheldEntries(shards, coordination),
      refused: refusedEntries(coordination),
      recyclingBlocked: blockerEntries(coordination),
      reservedAliases: await reservedAliasesAsked,
      unreachable: inquiry.unreachable,
    },
  };
}
