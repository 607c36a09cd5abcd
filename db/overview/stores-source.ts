import { goneBackAlarms } from '../../runtime/dashboard/alarm-sentences.ts';
import type { KeysDbSeen, PoolSeen, Seen } from '../../runtime/dashboard/seen.ts';
import { InTurn } from '../../runtime/dashboard/in-turn.ts';
import { pollingSource, type Source } from '../../runtime/dashboard/source.ts';
import { withDeadline } from '../../runtime/retry.ts';
import type { KeysDb } from '../keys-db/keys-db.ts';
import { openAlarms, type WriteOff } from '../keys-db/write-offs.ts';
import type { Keyspace } from '../keyspace/key.ts';
import { SHARE_WITH_KEY } from '../keyspace/loose-ends.ts';
import type { Pool } from '../redis/pool.ts';
import { urlsDbEntries } from './gone-back.ts';
import { HEALTHY_MS, lookAtPool, problemOfEpochs, type PoolLook } from './pool-look.ts';

type LookedAtKeysDb = Pick<KeysDb, 'name' | 'ownership' | 'writeOffs'>;

/** What a dashboard reads of the stores. It opens and closes them, or borrows those of its process. */
export interface LookedAtStores extends AsyncDisposable {
  readonly pools: readonly Pool[];
  readonly keysDbs: readonly LookedAtKeysDb[];
  readonly keyspace: Pick<Keyspace, 'length'>;
}

const POOLS_EVERY_MS = 500;
/** So often, where there are more than a few. */
const MANY_POOLS_EVERY_MS = 1_000;
const FEW_POOLS = 8;
const POOL_MS = 600;
/** Every so many looks at a pool: what stands at its head. */
const HEADS_EVERY = 4;
/** The epochs in a pool, which seldom change. */
const EPOCHS_EVERY = 20;
/** 16 pools and 64 keys-dbs have 1,024 epochs, with a command for each. So many are read in a round. */
const EPOCHS_AT_ONCE = 16;
const KEYS_DBS_EVERY_MS = 2_000;
/** Keys-dbs that are read in one round. More take turns: of 64, each is read every 8 s, with those below. */
const KEYS_DBS_AT_ONCE = 12;
/** Keys-dbs that are asked about urls servers too. All of them say the same, each on its own. */
const ALARMS_AT_ONCE = 4;
const KEYS_DB_MS = 900;

/**
 * Levels and problems of the pools.
 * @param open called when somebody begins to look
 * @param shards the keys-dbs whose epochs the pools have
 */
export function poolsSource(open: () => LookedAtStores, shards: readonly string[]): Source {
  return (tell, seen) => {
    const stores = open();
    /** What the epochs in a pool and its head say, as of the last look at them. */
    const doubts = new Map<string, string | undefined>();
    const heads = new Map<string, string | undefined>();
    const epochsEvery = Math.max(
      EPOCHS_EVERY,
      Math.ceil((stores.pools.length * shards.length) / EPOCHS_AT_ONCE),
    );
    const looks = new Map<string, number>();
    const read = async (now: Seen): Promise<Seen> => ({
      pools: await Promise.all(stores.pools.map(async (pool, index) => look(pool, now, index))),
    });
    const look = async (pool: Pool, now: Seen, index: number): Promise<PoolSeen> => {
      const { name } = pool;
      const count = looks.get(name) ?? 0;
      looks.set(name, count + 1);
      // All pools at once, but for the first time, would hold up the requests of this process.
      const ownLook = Math.floor((index * epochsEvery) / stores.pools.length);
      const isThorough = count === 0 || count % epochsEvery === ownLook;
      const hasHead = isThorough || count % HEADS_EVERY === 0;
      try {
        const { level, elapsedMs, problem, epochs } = await withDeadline(name, POOL_MS, async () => {
          // A connection that was opened just now must not look like a Redis that comes back.
          if (count === 0) await pool.whenConnected(POOL_MS);
          return lookAtPool(pool, {
            keysDbs: isThorough ? shards : [],
            keyspace: stores.keyspace,
            timeoutMs: POOL_MS,
            hasHead,
          });
        });
        if (isThorough) doubts.set(name, doubtOf(name, epochs, now));
        if (hasHead || problem !== undefined) heads.set(name, problem);
        const isSlow = elapsedMs > HEALTHY_MS;
        return { name, level: level ?? null, isSlow, problem: heads.get(name) ?? doubts.get(name) ?? null };
      } catch {
        return { name, level: null, isSlow: false, problem: null };
      }
    };
    const everyMs = stores.pools.length > FEW_POOLS ? MANY_POOLS_EVERY_MS : POOLS_EVERY_MS;
    const polling = { everyMs, deadlineMs: POOL_MS + 400 };
    return pollingSource(polling, read, async () => stores[Symbol.asyncDispose]())(tell, seen);
  };
}

/** How many keys the keys-dbs have, and what they say about urls servers. */
export function keysDbsSource(open: () => LookedAtStores, urlsDbs: readonly string[]): Source {
  return (tell, seen) => {
    const stores = open();
    const turns = new InTurn(KEYS_DBS_AT_ONCE);
    const alarmTurns = new InTurn(ALARMS_AT_ONCE);
    let known = new Map<string, KeysDbSeen>();
    const alarms = new Map<string, ReadonlyMap<string, WriteOff>>();
    const readAlarms = async (keysDb: LookedAtKeysDb): Promise<void> => {
      alarms.set(keysDb.name, openAlarms((await keysDb.writeOffs()).writeOffs));
    };
    const read = async (): Promise<Seen> => {
      const names = stores.keysDbs.map(({ name }) => name);
      const due = turns.next(names);
      const dueAlarms = alarmTurns.next(names);
      const keysDbs = await Promise.all(
        stores.keysDbs.map(async (keysDb) => {
          const { name } = keysDb;
          const last = due.has(name) || dueAlarms.has(name) ? undefined : known.get(name);
          return last ?? readKeysDb(keysDb, dueAlarms.has(name) ? readAlarms : undefined);
        }),
      );
      known = new Map(keysDbs.map((keysDb) => [keysDb.name, keysDb]));
      const said = keysDbs.flatMap(({ name, claimed }) => (claimed === null ? [] : (alarms.get(name) ?? [])));
      return { keysDbs, storeAlarms: goneBackAlarms(urlsDbEntries(urlsDbs, said)) };
    };
    const polling = { everyMs: KEYS_DBS_EVERY_MS, deadlineMs: KEYS_DB_MS + 400 };
    return pollingSource(polling, read, async () => stores[Symbol.asyncDispose]())(tell, seen);
  };
}

/** @param readAlarms one after the other, so that this needs one connection to each server */
async function readKeysDb(
  keysDb: LookedAtKeysDb,
  readAlarms: ((keysDb: LookedAtKeysDb) => Promise<void>) | undefined,
): Promise<KeysDbSeen> {
  const { name } = keysDb;
  try {
    return await withDeadline(name, KEYS_DB_MS, async () => {
      const { claimedTo, generatedTo, ensemble } = await keysDb.ownership();
      await readAlarms?.(keysDb);
      // To count rows would cost the database too much.
      const unused = Math.round(Math.max(0, generatedTo - claimedTo) * SHARE_WITH_KEY);
      return { name, unused, claimed: claimedTo, ensemble };
    });
  } catch {
    return { name, unused: null, claimed: null, ensemble: undefined };
  }
}

function doubtOf(pool: string, epochs: PoolLook['epochs'], { cluster }: Seen): string | undefined {
  const known = new Map(cluster?.locks.map(({ shard, epoch }) => [shard, epoch]));
  return problemOfEpochs(pool, epochs, (keysDb) => known.get(keysDb));
}
