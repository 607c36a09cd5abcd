import { PATHS } from '../../../coordinator/paths.ts';
import { note, type Terminal } from '../../../runtime/terminal/terminal.ts';
import type { Coordination } from './coordination.ts';
import { strayLocks } from './lock-entries.ts';

/** What there is to show while ZooKeeper does not answer. */
export const NOTHING_KNOWN: Coordination = {
  ensemble: undefined,
  locks: new Map(),
  producers: [],
  mappers: [],
  foreign: [],
};

/** Mentions nodes that do not belong where they stand: they are respected, so somebody should know. */
export function noteStrangers(
  terminal: Terminal,
  shards: readonly string[],
  { locks, foreign }: Coordination,
): void {
  for (const shard of strayLocks(shards, locks)) {
    note(terminal, `foreign: ${PATHS.locks}/${shard} is no configured keys-db`);
  }
  for (const path of foreign) note(terminal, `foreign: ${path} is not what a process of ours writes`);
}
