import type { ReignEntry } from '../load/history.ts';

/** One row of `batches`, in the order of its id: the log of claims that the keys-db accepted. */
export interface ClaimRecord {
  readonly id: number;
  readonly kind: 'range' | 'recycled';
  /** Null for kind `recycled`. */
  readonly firstId: number | null;
  readonly lastId: number | null;
  readonly ids: readonly number[] | null;
  readonly epoch: number;
  readonly claimedTo: number;
  readonly parts: readonly { readonly pool: string; readonly seq: number }[];
}

/**
 * What a keys-db's log of claims must be: epochs never fall, ranges follow each other without gap or overlap, every pool's parts
 * are numbered without repetition or hole.
 *
 * @param after what came up to this batch is not judged: other drills have been here
 * @param renumbered is a jump of a pool's numbers allowed? After a keys-db was restored from a backup numbering goes on above Redis's
 * @returns one sentence for each breach; none when all is well
 */
export function checkClaims(
  keysDb: string,
  claims: readonly ClaimRecord[],
  { after = 0, renumbered = false }: { after?: number; renumbered?: boolean } = {},
): string[] {
  const all: string[] = [];
  const seqs = new Map<string, number>();
  let epoch = 0;
  let mark = 0;
  for (const claim of claims) {
    const breaches: string[] = [];
    const name = `${keysDb}, batch ${claim.id}`;
    if (claim.epoch < epoch) breaches.push(`${name}: claimed by epoch ${claim.epoch} after epoch ${epoch}`);
    epoch = Math.max(epoch, claim.epoch);
    breaches.push(...checkRange(name, claim, mark));
    mark = Math.max(mark, claim.claimedTo);
    for (const { pool, seq } of claim.parts) {
      const last = seqs.get(pool);
      if (last !== undefined && seq <= last)
        breaches.push(`${name}: ${pool} gets part ${seq} again, after ${last}`);
      else if (last !== undefined && seq > last + 1 && !renumbered)
        breaches.push(`${name}: ${pool} gets part ${seq} after ${last}; what is between was never claimed`);
      seqs.set(pool, Math.max(last ?? 0, seq));
    }
    if (claim.id > after) all.push(...breaches);
  }
  return all;
}

function checkRange(
  name: string,
  { kind, firstId, lastId, ids, claimedTo }: ClaimRecord,
  mark: number,
): string[] {
  if (kind === 'recycled') {
    const above = (ids ?? []).filter((id) => id > mark);
    return above.length === 0
      ? []
      : [`${name}: recycles id ${above[0]}, which was never claimed (mark ${mark})`];
  }
  if (firstId === null || lastId === null || lastId < firstId) return [`${name}: has no range`];
  if (firstId <= mark)
    return [`${name}: claims ids ${firstId}–${lastId} although ${mark} was claimed before`];
  return claimedTo === lastId ? [] : [`${name}: claims up to ${lastId} and sets the mark to ${claimedTo}`];
}

/**
 * Looks at what the stores said of reigns, in the order in which they said it: within one store no epoch falls, no pool's seq
 * falls as long as its data is the same (its incarnation), and one epoch belongs to one lock.
 */
export class ReignChecker {
  readonly #last = new Map<string, ReignEntry>();
  readonly #locks = new Map<string, string>();
  /** Stores whose data a drill has put back: what they say may fall once, at that time. */
  readonly #forgiven: ReadonlySet<string>;
  readonly #breaches = new Set<string>();

  constructor(forgiven: ReadonlySet<string> = new Set()) {
    this.#forgiven = forgiven;
  }

  add(entry: ReignEntry): void {
    const { store, shard, epoch, seq, incarnation, owner, czxid } = entry;
    const key = `${store}/${shard}`;
    const last = this.#last.get(key);
    this.#last.set(key, entry);
    // A restored keys-db counts an epoch again before it learns from Redis that it is behind; nothing is claimed under it.
    if (owner !== undefined && !this.#forgiven.has(store))
      this.#checkLock(shard, epoch, `${owner} by lock ${czxid}`, czxid);
    if (last === undefined || last.incarnation !== incarnation || this.#forgiven.has(store)) return;
    const at = `${store} at ${Math.round(entry.at)} ms: ${shard}`;
    if (epoch < last.epoch) this.#breaches.add(`${at} fell from epoch ${last.epoch} to ${epoch}`);
    if (seq !== undefined && last.seq !== undefined && seq < last.seq)
      this.#breaches.add(`${at} fell from part ${last.seq} to ${seq}`);
  }

  result(): string[] {
    return [...this.#breaches];
  }

  /** A raise above Redis's epoch keeps the lock and changes the epoch; never the other way round. */
  #checkLock(shard: string, epoch: number, holder: string, czxid: string | undefined): void {
    // No lock: an ensemble was adopted, or nobody has held it yet.
    if (czxid === undefined || czxid === '0') return;
    const key = `${shard}/${epoch}`;
    const before = this.#locks.get(key);
    if (before !== undefined && before !== holder)
      this.#breaches.add(`${shard}: epoch ${epoch} was ${before}'s and is ${holder}'s`);
    this.#locks.set(key, holder);
  }
}
