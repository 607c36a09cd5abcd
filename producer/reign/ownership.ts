import type { HeldLock } from '../../coordinator/lock.ts';
import type { KeysDb } from '../../db/keys-db/keys-db.ts';
import type { Pool } from '../../db/redis/pool.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import { withDeadline } from '../../runtime/retry.ts';
import { repeatUntilDone } from './repeat.ts';
import type { WriteGate } from './write-gate.ts';

export interface OwnershipOptions {
  readonly shard: string;
  readonly owner: string;
  readonly ensemble: string;
  readonly lock: HeldLock;
  readonly keysDb: KeysDb;
  readonly pools: readonly Pool[];
  readonly gate: WriteGate;
  readonly log: Log;
}

const RAISE_TIMEOUT_MS = 2_000;
const LOOK_TIMEOUT_MS = 300;

/**
 * Turns a lock into the right to write: raises the epoch in the keys-db, above that of every Redis that
 * answers.
 *
 * A keys-db that does not answer is asked again as long as the lock is held.
 *
 * @returns the epoch; undefined when aborted, or when the keys-db has accepted a later lock: then give this
 *   one back
 * @throws MismatchError if the keys-db belongs to another ensemble, FencedError if a later reign has begun
 */
export async function raiseOwnEpoch(
  options: OwnershipOptions,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { shard, gate, log } = options;
  const what = `raising the epoch of ${shard}`;
  return repeatUntilDone({ what, gate, log, timeoutMs: RAISE_TIMEOUT_MS }, signal, () => raiseOnce(options));
}

/**
 * Repeating it is safe: the keys-db raises once for each czxid, and a row with our czxid holds our epoch.
 */
async function raiseOnce(options: OwnershipOptions): Promise<number | undefined> {
  const { keysDb, lock, ensemble, owner } = options;
  const [epoch, floor] = await Promise.all([
    keysDb.raiseEpoch({ czxid: lock.czxid, ensemble, owner }),
    highestStoredEpoch(options),
  ]);
  if (epoch === undefined || epoch > floor) return epoch;
  options.log.warn(
    { epoch, floor },
    'the keys-db is behind a Redis (restored from a backup?): lifting its epoch',
  );
  return keysDb.raiseEpochAbove({ czxid: lock.czxid, floor });
}

/** The highest epoch in the pools that answer in time. Others are asked before their first delivery. */
async function highestStoredEpoch({ pools, shard, log }: OwnershipOptions): Promise<number> {
  const epochs = await Promise.all(
    pools.map(async (pool) => {
      try {
        const look = withDeadline(pool.name, LOOK_TIMEOUT_MS, () => pool.producerState(shard));
        return (await look).epoch;
      } catch (error) {
        log.info({ pool: pool.name, reason: messageOf(error) }, 'epoch of a pool not read yet');
        return 0;
      }
    }),
  );
  return Math.max(0, ...epochs);
}
