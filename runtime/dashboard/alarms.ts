import { poolAlarms } from './alarm-sentences.ts';
import type { Alarm, Seen } from './seen.ts';

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
  registry,
  counter,
}: Seen): string[] {
  // The registry is on the server of a pool.
  const parts = [
    ...(cluster !== undefined && cluster.problem !== null ? ['ZooKeeper'] : []),
    ...zookeeper.filter(({ mode }) => mode === null).map(({ name }) => `ZooKeeper server ${name}`),
    ...pools.filter(({ level, problem }) => level === null && problem === null).map(({ name }) => name),
    ...keysDbs.filter(({ claimed }) => claimed === null).map(({ name }) => name),
    ...(registry !== undefined && registry.problem !== null ? [registry.store] : []),
    ...(counter !== undefined && counter.reserved === null ? [counter.store] : []),
    ...members.filter(({ problem }) => problem !== null).map(({ id }) => id),
  ];
  return [...new Set(parts)];
}
