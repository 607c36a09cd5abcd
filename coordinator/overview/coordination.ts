import { readDrained } from '../drained.ts';
import { readEnsembleId } from '../ensemble.ts';
import type { LockHolder } from '../lock-holder.ts';
import { readLocks } from '../lock-view.ts';
import { readMembers } from '../membership.ts';
import { PATHS } from '../paths.ts';
import type { NodeReads } from '../reading.ts';
import { parseMapperMember, type MapperView } from './mapper-member.ts';
import { parseProducerMember, type ProducerMember } from './producer-member.ts';

/** The state of a cluster in ZooKeeper, read at about one moment. */
export interface Coordination {
  readonly ensemble: string | undefined;
  /** A shard without an entry is free. Some names may not be configured shards. */
  readonly locks: ReadonlyMap<string, LockHolder>;
  readonly producers: readonly ProducerMember[];
  readonly mappers: readonly MapperView[];
  /** Ids of the producers that were drained, whether or not they run. */
  readonly drained: readonly string[];
  /** Paths of member nodes that no process of ours wrote. */
  readonly foreign: readonly string[];
}

/**
 * Reads the state once.
 * @param onChange called when anything of it changes afterwards
 */
export async function readCoordination(session: NodeReads, onChange?: () => void): Promise<Coordination> {
  const [ensemble, locks, producers, mappers, drained] = await Promise.all([
    readEnsembleId(session, onChange),
    readLocks(session, undefined, onChange),
    readMembers(session, PATHS.producers, parseProducerMember, onChange),
    readMembers(session, PATHS.mappers, parseMapperMember, onChange),
    readDrained(session),
  ]);
  return {
    ensemble,
    locks,
    producers: [...producers.members.values()],
    mappers: [...mappers.members.values()],
    drained,
    foreign: [
      ...producers.foreign.map((name) => `${PATHS.producers}/${name}`),
      ...mappers.foreign.map((name) => `${PATHS.mappers}/${name}`),
    ],
  };
}
