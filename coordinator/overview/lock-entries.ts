import type { LockHolder } from '../lock-holder.ts';

/**
 * A lock in the output of `status` and `locks`. A free lock has nulls; the owner of a foreign one is
 * `foreign`.
 */
export interface LockEntry {
  readonly shard: string;
  readonly owner: string | null;
  readonly pid: number | null;
  readonly since: string | null;
  readonly epoch: number | null;
}

/** The owner that is shown for a node that no producer of ours wrote. */
const FOREIGN = 'foreign';

/** One entry for each configured shard, in order. */
export function lockEntries(shards: readonly string[], locks: ReadonlyMap<string, LockHolder>): LockEntry[] {
  return shards.map((shard) => lockEntry(shard, locks.get(shard)));
}

export function lockEntry(shard: string, holder: LockHolder | undefined): LockEntry {
  if (holder === undefined) return { shard, owner: null, pid: null, since: null, epoch: null };
  const { kind, owner, pid, since, epoch } = holder;
  return kind === 'ours'
    ? { shard, owner, pid, since, epoch }
    : { shard, owner: FOREIGN, pid: null, since: null, epoch: null };
}

/** The names of lock nodes that are not configured shards. */
export function strayLocks(
  shards: readonly string[],
  locks: ReadonlyMap<string, LockHolder>,
): readonly string[] {
  return [...locks.keys()].filter((name) => !shards.includes(name));
}
