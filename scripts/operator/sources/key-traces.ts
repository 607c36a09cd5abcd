import { countWrittenOff } from '../../../db/audit/written-off.ts';
import type { Batch } from '../../../db/keys-db/batch.ts';
import type { KeysDb } from '../../../db/keys-db/keys-db.ts';
import { counterKeys } from '../../../db/counter/counter-keys.ts';
import { openCounterMarks } from '../../../db/counter/counter-marks.ts';
import type { IdRange, Keyspace, Place } from '../../../db/keyspace/key.ts';
import { placementOf, slotOf } from '../../../db/keyspace/placement.ts';
import { openClicksDb } from '../../../db/clicks/clicks-db.ts';
import { openUrlsDb } from '../../../db/urls/links.ts';
import type { OperatorConfig } from '../../../runtime/config/config.ts';
import {
  findCounterRegion,
  type RedisShardConfig,
  type StoresConfig,
} from '../../../runtime/config/stores.ts';
import { QUIET_LOG } from '../../../runtime/log.ts';
import type { Inquiry } from './ask.ts';
import { withKeysDb } from './keys-dbs.ts';
import { askForMembers } from './membership.ts';
import { withPool } from './pool-levels.ts';
import { readReserve } from './reserves.ts';

interface SoughtKey {
  readonly keyspace: Keyspace;
  readonly key: string;
}

/** The state of a key in the keys-db that generates it. */
export interface Origin {
  readonly keysDb: string;
  readonly id: number;
  /**
   * `never`: not generated yet, or left out, because it spells a word or begins or ends with `-` or `_`.
   * `written off`: issued, and never recycled if it is found nowhere. `unknown`: the keys-db did not answer.
   */
  readonly stage: 'never' | 'unused' | 'pending' | 'issued' | 'written off' | 'unknown';
  /** The pool that a pending key is on the way to. */
  readonly pool: string | undefined;
}

/** A link in the output of `where`. Times are ISO 8601 UTC. */
export interface Link {
  readonly originalUrl: string | null;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly deletedAt: string | null;
}

/** What stands for the keys-db of a key that was given out by counter. */
const COUNTER = 'counter';

/** Undefined for a key that neither a configured keys-db nor the counter gives out, such as an alias. */
export async function findOrigin(
  inquiry: Inquiry,
  stores: StoresConfig,
  { keyspace, key }: SoughtKey,
): Promise<Origin | undefined> {
  const located = keyspace.locate(key);
  const { keysDbs, usersDb } = stores;
  if (usersDb !== undefined && located !== undefined && located.region === findCounterRegion(stores))
    return findInCounter(inquiry, usersDb, { keyspace, key }, located);
  const config = keysDbs.find(({ region }) => region === located?.region);
  if (located === undefined || config === undefined) return undefined;
  const { id } = located;
  const answer = await inquiry.ask(config.name, () =>
    withKeysDb(config, keyspace, (keysDb) => readOrigin(keysDb, { keyspace, key }, id)),
  );
  return answer ?? { keysDb: config.name, id, stage: 'unknown', pool: undefined };
}

/** Found nowhere, a key up to the mark is never used again. */
async function findInCounter(
  inquiry: Inquiry,
  usersDb: { readonly url: string },
  { keyspace, key }: SoughtKey,
  { region, id }: Place,
): Promise<Origin> {
  const mark = await inquiry.ask('users', async () => {
    const marks = openCounterMarks(usersDb, { connections: 1 });
    try {
      return await marks.read();
    } finally {
      await marks.close();
    }
  });
  const isKey = id >= 1 && counterKeys({ keyspace, region }, id, 1)[0]?.key === key;
  const stage = !isKey ? 'never' : mark === undefined ? 'unknown' : id > mark ? 'unused' : 'written off';
  return { keysDb: COUNTER, id, stage, pool: undefined };
}

async function readOrigin(keysDb: KeysDb, { keyspace, key }: SoughtKey, id: number): Promise<Origin> {
  const origin = { keysDb: keysDb.name, id, pool: undefined };
  const only: Batch = { id: 0, kind: 'range', firstId: id, lastId: id, epoch: 0, parts: [] };
  const [row] = id >= 1 && id <= keyspace.maxId ? await keysDb.keysOf(only) : [];
  const { claimedTo, generatedTo } = await keysDb.ownership();
  if (row?.key !== key || id > generatedTo) return { ...origin, stage: 'never' };
  if (id > claimedTo) return { ...origin, stage: 'unused' };
  const batch = (await keysDb.pendingBatches()).find((pending) => holds(pending, id));
  const part = batch?.parts[placementOf(key, batch.parts.length)];
  if (part !== undefined && !part.isDelivered) return { ...origin, stage: 'pending', pool: part.pool };
  const isWrittenOff = (await countWrittenOff(keysDb, [row])) === 1;
  return { ...origin, stage: isWrittenOff ? 'written off' : 'issued' };
}

function holds({ kind, ids, firstId, lastId }: Batch, id: number): boolean {
  return kind === 'recycled' ? (ids?.includes(id) ?? false) : firstId <= id && id <= lastId;
}

/** Longer than for other sources: the question reads a whole list, in a Redis that may be busy. */
const POOL_DEADLINE_MS = 4_000;

/** The name of the pool that contains the key, if one does. */
export async function findInPools(
  inquiry: Inquiry,
  shards: readonly RedisShardConfig[],
  key: string,
): Promise<string | undefined> {
  const found = await Promise.all(
    shards.map((shard) =>
      inquiry.ask(shard.name, () => withPool(shard, async (pool) => pool.has(key)), POOL_DEADLINE_MS),
    ),
  );
  return shards.find((_, index) => found[index] === true)?.name;
}

/** The id of the mapper that holds the key, in reserve, in flight or in a batch, if one does. */
export async function findInMappers(
  inquiry: Inquiry,
  config: Pick<OperatorConfig, 'zookeeper' | 'stores' | 'adminToken'>,
  { keyspace, key }: SoughtKey,
): Promise<string | undefined> {
  const coordination = await askForMembers(inquiry, config);
  const mappers = coordination?.mappers ?? [];
  const held = await Promise.all(
    mappers.map((mapper) => inquiry.ask(mapper.id, async () => readReserve(mapper, config.adminToken))),
  );
  const place = keyspace.locate(key);
  return mappers.find((_, index) => {
    const reserve = held[index];
    const isInRange = place !== undefined && reserve?.ranges.some((range) => holdsId(range, place));
    return reserve?.keys.includes(key) === true || isInRange === true;
  })?.id;
}

function holdsId({ region, first, last }: IdRange, place: Place): boolean {
  return region === place.region && first <= place.id && place.id <= last;
}

/** The link with this name, its stored clicks, and the urls server of its slot. */
export async function findLink(
  inquiry: Inquiry,
  stores: StoresConfig,
  key: string,
): Promise<{ urlsDb: string; link: Link | null; clicks: number | null }> {
  const slot = slotOf(key);
  const config = stores.urlsDbs.find(({ slots }) => slots.includes(slot));
  if (config === undefined) throw new RangeError(`no urls server has slot ${slot}`);
  const answer = await inquiry.ask(config.name, async () => {
    await using stack = new AsyncDisposableStack();
    const urlsDb = openUrlsDb({ ...config, log: QUIET_LOG, connections: 1 });
    stack.defer(async () => urlsDb.close());
    const clicksDb = openClicksDb(config);
    stack.defer(async () => clicksDb.close());
    const [[stored], { total }] = await Promise.all([urlsDb.find([key]), clicksDb.of(key)]);
    return { stored, total };
  });
  const stored = answer?.stored;
  if (stored === undefined) return { urlsDb: config.name, link: null, clicks: null };
  return {
    urlsDb: config.name,
    link: {
      originalUrl: stored.longUrl,
      createdAt: stored.createdAt.toISOString(),
      expiresAt: stored.expiresAt?.toISOString() ?? null,
      deletedAt: stored.deletedAt?.toISOString() ?? null,
    },
    clicks: answer?.total ?? null,
  };
}
