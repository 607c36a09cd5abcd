import { isContradiction, MismatchError } from '../../db/store-errors.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';

/**
 * Why a pool that answers is not used. `mismatch`: it belongs to another cluster or keyspace; `impossible`:
 * it holds a value that no program of ours writes.
 */
export type RefusalReason = 'mismatch' | 'impossible';

export interface RefusedPool {
  readonly pool: string;
  /** The keys-db whose state in this pool is impossible, or whose holder found the pool to be foreign. */
  readonly shard: string;
  readonly reason: RefusalReason;
}

/**
 * The pools that the reigns of this worker do not use until a person has mended them, with the keys-db of the
 * reign: a value of one keys-db concerns no other. Logs when this changes.
 */
export class RefusedPools {
  readonly #refused = new Map<string, RefusedPool>();

  all(): RefusedPool[] {
    return [...this.#refused.values()];
  }

  has(pool: string): boolean {
    return this.all().some((refused) => refused.pool === pool);
  }

  /** A call has failed. Only a contradiction refuses the pool. @param log names the shard */
  failed(shard: string, pool: string, error: unknown, log: Log): void {
    if (!isContradiction(error)) return;
    const reason = error instanceof MismatchError ? 'mismatch' : 'impossible';
    const id = idOf(shard, pool);
    if (this.#refused.get(id)?.reason === reason) return;
    this.#refused.set(id, { pool, shard, reason });
    log.error({ pool, why: reason, reason: messageOf(error) }, 'pool not used until it is mended');
  }

  /** The pool has accepted the reign. */
  accepted(shard: string, pool: string, log: Log): void {
    if (this.#refused.delete(idOf(shard, pool))) log.info({ pool }, 'pool used again');
  }

  /** The reign over `shard` has ended. */
  forget(shard: string): void {
    for (const [id, refused] of this.#refused) if (refused.shard === shard) this.#refused.delete(id);
  }
}

function idOf(shard: string, pool: string): string {
  return `${shard} ${pool}`;
}
