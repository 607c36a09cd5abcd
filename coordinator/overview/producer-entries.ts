import { naturally } from '../../runtime/natural-order.ts';
import type { Coordination } from './coordination.ts';

/** A producer as operators see it. */
export interface ProducerEntry {
  readonly id: string;
  readonly supervisorPid: number | null;
  readonly workerPid: number | null;
  /** 0 while it is drained. */
  readonly capacity: number;
  readonly drained: boolean;
  readonly shards: readonly string[];
}

/**
 * The producers, sorted by id. Their shards come from the locks, which are authoritative.
 */
export function producerEntries({
  producers,
  locks,
  drained,
}: Pick<Coordination, 'producers' | 'locks' | 'drained'>): ProducerEntry[] {
  const held = new Map<string, string[]>();
  for (const [shard, { kind, owner }] of locks) {
    if (kind !== 'ours' || owner === null) continue;
    const known = held.get(owner);
    if (known === undefined) held.set(owner, [shard]);
    else known.push(shard);
  }
  return producers
    .map(({ id, pid, supervisorPid, capacity }) => ({
      id,
      supervisorPid,
      workerPid: pid,
      capacity,
      drained: drained.includes(id),
      shards: (held.get(id) ?? []).sort(naturally),
    }))
    .sort((a, b) => naturally(a.id, b.id));
}
