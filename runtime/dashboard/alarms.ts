import { poolAlarms } from './alarm-sentences.ts';
import type { Alarm, Facts, Seen } from './seen.ts';

/** What only a person can mend, with the sentence that says how. Pure. */
export function alarmsOf({ cluster, storeAlarms = [], pools = [], keysDbs = [] }: Seen): Alarm[] {
  const wiped = ensembleAlarm(cluster?.ensemble, cluster?.problem, keysDbs);
  return [
    ...(wiped === undefined ? [] : [{ parts: ['ZooKeeper'], sentence: wiped }]),
    ...(cluster?.alarms ?? []),
    ...poolAlarms(pools),
    ...storeAlarms,
  ];
}

/** The ensemble has no id, or another one than the keys-dbs have recorded. */
function ensembleAlarm(
  ensemble: string | null | undefined,
  problem: string | null | undefined,
  keysDbs: NonNullable<Seen['keysDbs']>,
): string | undefined {
  if (ensemble === undefined || problem !== null) return undefined;
  const others = keysDbs.filter((keysDb) => keysDb.ensemble !== undefined && keysDb.ensemble !== ensemble);
  if (others.length === 0) return undefined;
  const state = ensemble === null ? 'it was wiped: it has no ensemble id' : 'it is another one, or was wiped';
  const names = others.map(({ name }) => name).join(', ');
  return `${state}, and the keys-dbs have recorded another ensemble (${names}). Links are followed and made as long as the pools have keys. When it is the right ZooKeeper: keymill zookeeper adopt`;
}

/** The parts that do not answer, which often mend themselves. */
export function silentParts({
  cluster,
  zookeeper = [],
  pools = [],
  keysDbs = [],
  members = [],
}: Seen): string[] {
  return [
    ...(cluster !== undefined && cluster.problem !== null ? ['ZooKeeper'] : []),
    ...zookeeper.filter(({ mode }) => mode === null).map(({ name }) => `ZooKeeper server ${name}`),
    ...pools.filter(({ level, problem }) => level === null && problem === null).map(({ name }) => name),
    ...keysDbs.filter(({ claimed }) => claimed === null).map(({ name }) => name),
    ...members.filter(({ problem }) => problem !== null).map(({ id }) => id),
  ];
}

/** What a cluster of this shape cannot do. */
export function missingIn({ hasZooKeeper, keySource }: Facts): string[] {
  return [
    ...(hasZooKeeper
      ? []
      : [
          'There is no ZooKeeper: no process takes over the work of another, and this page knows no other process.',
        ]),
    ...(keySource === 'counter'
      ? [
          'Keys come by counter from one Redis and the users database, without producers and keys-dbs: there are no shards, no pools and no stock of keys to watch. When both are away, no link is made; links are followed.',
        ]
      : []),
    ...(hasZooKeeper ? [] : ['./scripts/keymill grow makes a cluster of it, one step after the other.']),
  ];
}
