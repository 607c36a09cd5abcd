import type { HeldLock } from '../../coordinator/lock.ts';
import type { KeysDb } from '../../db/keys-db/keys-db.ts';
import { producerKey } from '../../db/redis/redis-keys.ts';
import type { Pool } from '../../db/redis/pool.ts';
import { isContradiction } from '../../db/store-errors.ts';
import { requirePlausible } from '../../runtime/stored-values.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import { withDeadline } from '../../runtime/retry.ts';
import type { PoolLevels } from '../pools/levels.ts';
import { repeatUntilDone } from './repeat.ts';
import type { WriteGate } from './write-gate.ts';

export interface OwnershipOptions {
  readonly shard: string;
  readonly owner: string;
  readonly ensemble: string;
  readonly lock: HeldLock;
  readonly keysDb: KeysDb;
  readonly pools: readonly Pool[];
  readonly levels: PoolLevels;
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
  const [epoch, found] = await Promise.all([
    keysDb.raiseEpoch({ czxid: lock.czxid, ensemble, owner }),
    storedEpochs(options),
  ]);
  if (epoch === undefined) return undefined;
  const floor = Math.max(
    0,
    ...found.filter((one) => isPlausible(one, epoch, options)).map((one) => one.epoch),
  );
  if (epoch > floor) return epoch;
  options.log.warn(
    { epoch, floor },
    'the keys-db is behind a Redis (restored from a backup?): lifting its epoch',
  );
  return keysDb.raiseEpochAbove({ czxid: lock.czxid, floor });
}

interface StoredEpoch {
  readonly pool: string;
  readonly epoch: number;
}

/**
 * The epochs in the pools that answer in time. Others are asked before their first delivery. A pool of
 * another cluster, or one with a value that is no epoch, counts as one that does not answer.
 */
async function storedEpochs({ pools, shard, levels, log }: OwnershipOptions): Promise<StoredEpoch[]> {
  const epochs = await Promise.all(
    pools.map(async (pool) => {
      try {
        const look = withDeadline(pool.name, LOOK_TIMEOUT_MS, () => pool.producerState(shard));
        return [{ pool: pool.name, epoch: (await look).epoch }];
      } catch (error) {
        levels.refused.failed(shard, pool.name, error, log);
        if (!isContradiction(error))
          log.info({ pool: pool.name, reason: messageOf(error) }, 'epoch of a pool not read yet');
        return [];
      }
    }),
  );
  return epochs.flat();
}

/** Nothing is lifted by an epoch that no reign can have had. */
function isPlausible(found: StoredEpoch, epoch: number, { shard, levels, log }: OwnershipOptions): boolean {
  try {
    requirePlausible(found.epoch, epoch, { store: found.pool, what: `epoch of ${producerKey(shard)}` });
    return true;
  } catch (error) {
    levels.refused.failed(shard, found.pool, error, log);
    return false;
  }
}
