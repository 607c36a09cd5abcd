import type { LockHolder } from '../../../coordinator/lock-holder.ts';

/** A lock as `status` and `locks` show it. A free one has nulls; one that is not ours is held by `foreign`. */
export interface LockEntry {
  readonly shard: string;
  readonly owner: string | null;
  readonly pid: number | null;
  readonly since: string | null;
  readonly epoch: number | null;
}

/** Who is shown as the holder of a node that no producer of ours wrote. */
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

/** Names of nodes under the locks that are no configured shard. */
export function strayLocks(
  shards: readonly string[],
  locks: ReadonlyMap<string, LockHolder>,
): readonly string[] {
  return [...locks.keys()].filter((name) => !shards.includes(name));
}
