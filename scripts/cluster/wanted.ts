import { numbered } from './environment.ts';
import type { Launch } from './servers.ts';
import { mysqlServersOf, type Shape } from './shape.ts';
import type { Counts, RecordedProcess, State } from './state.ts';
import { stopRecorded } from './stop.ts';

/** The ids of the servers and members that a record of these numbers wants to run. Pure. */
export function wantedIds(shape: Shape, counts: Counts): Set<string> {
  return new Set([
    ...numbered('zookeeper', shape.zookeepers),
    ...numbered('redis', shape.redis),
    ...mysqlServersOf(shape.mysqlServers).map(({ name }) => name),
    ...numbered('producer', counts.producers),
    ...numbered('mapper', counts.mappers),
  ]);
}

/** Processes on record that it wants no longer. The log keeper and the wire are always wanted. Pure. */
export function surplusOf(
  processes: readonly RecordedProcess[],
  shape: Shape,
  counts: Counts,
): RecordedProcess[] {
  const wanted = wantedIds(shape, counts);
  return processes.filter(({ id, kind }) => kind !== 'log-keeper' && kind !== 'wire' && !wanted.has(id));
}

/** Removes from the record what is surplus and has ended, by itself or before a command that was killed. */
export function forgetEndedSurplus(shape: Shape, counts: Counts, state: State): void {
  for (const { id } of surplusOf(state.processes(), shape, counts))
    if (state.findRunning(id) === undefined) state.forgetProcess(id);
}

/**
 * Stops surplus Redis and ZooKeeper servers. Call it last, when no process uses them any more. Keys in a pool
 * are recycled later.
 */
export async function endSurplusServers(
  shape: Shape,
  counts: Counts,
  { state, progress }: Launch,
): Promise<void> {
  const surplus = surplusOf(state.processes(), shape, counts).filter(
    ({ kind }) => kind === 'redis' || kind === 'zookeeper',
  );
  if (surplus.length > 0) progress.line(`stopping ${surplus.map(({ id }) => id).join(', ')} …`);
  await Promise.all(surplus.map(async (entry) => stopRecorded(entry, state, progress)));
}
