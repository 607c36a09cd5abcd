import type { ReignEntry } from '../history/history.ts';

/** One row of `batches`: ordered by id, they are the log of the claims that the keys-db accepted. */
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
 * Checks the log of claims of a keys-db: epochs never fall, ranges do not overlap, and the parts of each pool
 * are numbered without repetition or gap.
 *
 * @param after breaches up to this batch are ignored, because they belong to earlier drills
 * @param renumbered allows the numbers of a pool to jump. After a keys-db is restored from a backup, they
 *   continue above those that Redis has accepted.
 * @returns one sentence for each breach
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
        breaches.push(
          `${name}: ${pool} gets part ${seq} after ${last}; the parts between were never claimed`,
        );
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
 * Checks the reigns that the stores reported, in the order of the reports: within one store no epoch falls,
 * no seq of a pool falls while its incarnation stays the same, and each epoch belongs to one lock.
 */
export class ReignChecker {
  readonly #last = new Map<string, ReignEntry>();
  readonly #locks = new Map<string, string>();
  /** Stores into which the drill put older data: their epochs and seqs may fall. */
  readonly #restored: ReadonlySet<string>;
  readonly #breaches = new Set<string>();

  constructor(restored: ReadonlySet<string> = new Set()) {
    this.#restored = restored;
  }

  add(entry: ReignEntry): void {
    const { store, shard, epoch, seq, incarnation, owner, czxid } = entry;
    const key = `${store}/${shard}`;
    const last = this.#last.get(key);
    this.#last.set(key, entry);
    // A restored keys-db issues an epoch again before its holder finds in Redis that it is behind. Nothing is
    // claimed in it.
    if (owner !== undefined && !this.#restored.has(store))
      this.#checkLock(shard, epoch, `${owner} by lock ${czxid}`, czxid);
    if (last === undefined || last.incarnation !== incarnation || this.#restored.has(store)) return;
    const at = `${store} at ${Math.round(entry.at)} ms: ${shard}`;
    if (epoch < last.epoch) this.#breaches.add(`${at} fell from epoch ${last.epoch} to ${epoch}`);
    if (seq !== undefined && last.seq !== undefined && seq < last.seq)
      this.#breaches.add(`${at} fell from part ${last.seq} to ${seq}`);
  }

  result(): string[] {
    return [...this.#breaches];
  }

  /** A holder may raise its epoch above that of Redis under the same lock. One epoch never has two locks. */
  #checkLock(shard: string, epoch: number, holder: string, czxid: string | undefined): void {
    // There is no lock yet, or an ensemble was adopted.
    if (czxid === undefined || czxid === '0') return;
    const key = `${shard}/${epoch}`;
    const before = this.#locks.get(key);
    if (before !== undefined && before !== holder)
      this.#breaches.add(`${shard}: epoch ${epoch} belonged to ${before} and then to ${holder}`);
    this.#locks.set(key, holder);
  }
}
