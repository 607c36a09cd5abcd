import type { ProducerEntry } from '../blocks.ts';
import { naturally } from './ask.ts';
import type { Coordination } from './coordination.ts';

/**
 * The producers in the output of `--json`, sorted by id. Their shards come from the locks, which are
 * authoritative.
 */
export function producerEntries({ producers, locks, drained }: Coordination): ProducerEntry[] {
  return producers
    .map(({ id, pid, supervisorPid, capacity }) => ({
      id,
      supervisorPid,
      workerPid: pid,
      capacity,
      drained: drained.includes(id),
      shards: [...locks]
        .flatMap(([shard, lock]) => (lock.kind === 'ours' && lock.owner === id ? [shard] : []))
        .sort(naturally),
    }))
    .sort((a, b) => naturally(a.id, b.id));
}

export function mapperEntries({ mappers }: Coordination): { id: string; url: string }[] {
  return mappers.map(({ id, url }) => ({ id, url })).sort((a, b) => naturally(a.id, b.id));
}
