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

/** What a dashboard reads of the stores. It opens and closes them, or borrows those of its process. */
export interface LookedAtStores extends AsyncDisposable {
  readonly pools: readonly Pool[];
  readonly keysDbs: readonly Pick<KeysDb, 'name' | 'ownership' | 'writeOffs'>[];
  readonly keyspace: Pick<Keyspace, 'length'>;
}

const POOLS_EVERY_MS = 500;
/** Pools that are read in one round. More take turns: of 16, each is read every second. */
const POOLS_AT_ONCE = 8;
const POOL_MS = 600;
/** Every so many looks at a pool: what stands at its head. */
const HEADS_EVERY = 4;
/** The epochs in a pool, which seldom change. */
const EPOCHS_EVERY = 20;
/** 16 pools and 64 keys-dbs have 1,024 epochs, with a command for each. So many are read in a round. */
const EPOCHS_AT_ONCE = 16;
const KEYS_DBS_EVERY_MS = 2_000;
/** Keys-dbs that are read in one round. More take turns: of 64, each is read every 8 s. */
const KEYS_DBS_AT_ONCE = 16;
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
    const turns = new InTurn(POOLS_AT_ONCE);
    const looks = new Map<string, number>();
    let known = new Map<string, PoolSeen>();
    const read = async (now: Seen): Promise<Seen> => {
      const due = turns.next(stores.pools.map(({ name }) => name));
      const pools = await Promise.all(
        stores.pools.map(
          async (pool, index) =>
            (due.has(pool.name) ? undefined : known.get(pool.name)) ?? look(pool, now, index),
        ),
      );
      known = new Map(pools.map((pool) => [pool.name, pool]));
      return { pools };
    };
    const look = async (pool: Pool, now: Seen, index: number): Promise<PoolSeen> => {
      const { name } = pool;
      const count = looks.get(name) ?? 0;
      looks.set(name, count + 1);
      // All pools at once, but for the first time, would hold up the requests of this process.
      const ownLook = Math.floor((index * epochsEvery) / stores.pools.length);
      const isThorough = count === 0 || count % epochsEvery === ownLook;
      const hasHead = isThorough || count % HEADS_EVERY === 0;
      try {
        const { level, elapsedMs, problem, epochs } = await withDeadline(name, POOL_MS, async () =>
          lookAtPool(pool, {
            keysDbs: isThorough ? shards : [],
            keyspace: stores.keyspace,
            timeoutMs: POOL_MS,
            hasHead,
          }),
        );
        if (isThorough) doubts.set(name, doubtOf(name, epochs, now));
        if (hasHead || problem !== undefined) heads.set(name, problem);
        const isSlow = elapsedMs > HEALTHY_MS;
        return { name, level: level ?? null, isSlow, problem: heads.get(name) ?? doubts.get(name) ?? null };
      } catch {
        return { name, level: null, isSlow: false, problem: null };
      }
    };
    const polling = { everyMs: POOLS_EVERY_MS, deadlineMs: POOL_MS + 400 };
    return pollingSource(polling, read, async () => stores[Symbol.asyncDispose]())(tell, seen);
  };
}

/** How many keys the keys-dbs have, and what they say about urls servers. */
export function keysDbsSource(open: () => LookedAtStores, urlsDbs: readonly string[]): Source {
  return (tell, seen) => {
    const stores = open();
    const turns = new InTurn(KEYS_DBS_AT_ONCE);
    let known = new Map<string, KeysDbAnswer>();
    const read = async (): Promise<Seen> => {
      const due = turns.next(stores.keysDbs.map(({ name }) => name));
      const answers = await Promise.all(
        stores.keysDbs.map(
          async (keysDb) => (due.has(keysDb.name) ? undefined : known.get(keysDb.name)) ?? readKeysDb(keysDb),
        ),
      );
      known = new Map(answers.map((answer) => [answer.keysDb.name, answer]));
      const alarms = answers.flatMap((answer) => answer.alarms ?? []);
      return {
        keysDbs: answers.map(({ keysDb }) => keysDb),
        storeAlarms: goneBackAlarms(urlsDbEntries(urlsDbs, alarms)),
      };
    };
    const polling = { everyMs: KEYS_DBS_EVERY_MS, deadlineMs: KEYS_DB_MS + 400 };
    return pollingSource(polling, read, async () => stores[Symbol.asyncDispose]())(tell, seen);
  };
}

interface KeysDbAnswer {
  readonly keysDb: KeysDbSeen;
  readonly alarms?: ReadonlyMap<string, WriteOff>;
}

async function readKeysDb(keysDb: LookedAtStores['keysDbs'][number]): Promise<KeysDbAnswer> {
  const { name } = keysDb;
  try {
    const [{ claimedTo, generatedTo, ensemble }, { writeOffs }] = await withDeadline(
      name,
      KEYS_DB_MS,
      async () => Promise.all([keysDb.ownership(), keysDb.writeOffs()]),
    );
    // To count rows would cost the database too much.
    const unused = Math.round(Math.max(0, generatedTo - claimedTo) * SHARE_WITH_KEY);
    return { keysDb: { name, unused, claimed: claimedTo, ensemble }, alarms: openAlarms(writeOffs) };
  } catch {
    return { keysDb: { name, unused: null, claimed: null, ensemble: undefined } };
  }
}

function doubtOf(pool: string, epochs: PoolLook['epochs'], { cluster }: Seen): string | undefined {
  const known = new Map(cluster?.locks.map(({ shard, epoch }) => [shard, epoch]));
  return problemOfEpochs(pool, epochs, (keysDb) => known.get(keysDb));
}
