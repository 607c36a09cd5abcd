import type { Coordination } from '../../../coordinator/overview/coordination.ts';
import { PATHS } from '../../../coordinator/paths.ts';
import { note, type Terminal } from '../../../runtime/terminal/terminal.ts';
import { strayLocks } from '../../../coordinator/overview/lock-entries.ts';

/** The state to show while ZooKeeper does not answer. */
export const NOTHING_KNOWN: Coordination = {
  ensemble: undefined,
  locks: new Map(),
  producers: [],
  mappers: [],
  drained: [],
  foreign: [],
};

/** Reports nodes that do not belong to this cluster. Producers respect them, so the operator should know. */
export function noteStrangers(
  terminal: Pick<Terminal, 'stderr'>,
  shards: readonly string[],
  { locks, foreign }: Coordination,
): void {
  for (const shard of strayLocks(shards, locks)) {
    note(terminal, `foreign: ${PATHS.locks}/${shard} is not a configured keys-db`);
  }
  for (const path of foreign) note(terminal, `foreign: ${path} was not written by a process of ours`);
}
