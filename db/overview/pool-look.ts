import { monotonicMs } from '../../runtime/clock.ts';
import type { KeyspaceIdentity } from '../../runtime/config/keyspace-identity.ts';
import { messageOf } from '../../runtime/errors.ts';
import { requirePlausible } from '../../runtime/stored-values.ts';
import { isPoolKey } from '../keyspace/pool-key.ts';
import type { Pool } from '../redis/pool.ts';
import { producerKey } from '../redis/redis-keys.ts';
import { isContradiction } from '../store-errors.ts';

/** A pool as it answers for itself, without what producers and mappers think of it. */
export interface PoolLook {
  readonly level: number | undefined;
  readonly elapsedMs: number;
  /** Why producers or mappers do not use it although it answers. */
  readonly problem: string | undefined;
  /** The stored epoch of each keys-db. */
  readonly epochs: readonly { readonly keysDb: string; readonly epoch: number }[];
}

export interface PoolQuestion {
  readonly keysDbs: readonly string[];
  readonly keyspace: Pick<KeyspaceIdentity, 'length'>;
  readonly timeoutMs: number;
  /** Whether the texts at the head are looked at. Default: yes. */
  readonly hasHead?: boolean;
}

/** Mappers avoid a pool that answers more slowly. */
export const HEALTHY_MS = 250;
/** How many texts at the head of a pool are looked at. */
const HEAD_TEXTS = 16;

/** Asks a pool for its level and its problem. @throws StoreUnavailableError, OutcomeUnknownError */
export async function lookAtPool(
  pool: Pool,
  { keysDbs, keyspace, timeoutMs, hasHead = true }: PoolQuestion,
): Promise<PoolLook> {
  const startedMs = monotonicMs();
  let level: number | undefined;
  let elapsedMs = 0;
  try {
    level = await pool.level({ timeoutMs });
    elapsedMs = monotonicMs() - startedMs;
    const head = hasHead ? await pool.head(HEAD_TEXTS) : [];
    const states = keysDbs.length === 0 ? [] : await pool.producerStates(keysDbs);
    const epochs = states.map(({ epoch }, at) => ({ keysDb: keysDbs[at] ?? '', epoch }));
    return { level, elapsedMs, problem: problemOfHead(pool.name, head, keyspace.length), epochs };
  } catch (error) {
    if (isContradiction(error)) return { level, elapsedMs, problem: messageOf(error), epochs: [] };
    throw error;
  }
}

/**
 * Compares the epochs in a pool with those that the holders publish in their locks, as the holders do.
 * @param known the epoch in the lock of a keys-db, if there is one
 */
export function problemOfEpochs(
  store: string,
  epochs: PoolLook['epochs'],
  known: (keysDb: string) => number | null | undefined,
): string | undefined {
  try {
    for (const { keysDb, epoch } of epochs)
      requirePlausible(epoch, known(keysDb) ?? epoch, { store, what: `epoch of ${producerKey(keysDb)}` });
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function problemOfHead(pool: string, head: readonly string[], keyLength: number): string | undefined {
  if (head.length === 0 || head.some((text) => isPoolKey(text, keyLength))) return undefined;
  return `${pool}: its first texts are no keys of ${keyLength} characters`;
}
