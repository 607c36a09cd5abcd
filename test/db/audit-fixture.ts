import { randomBytes } from 'node:crypto';
import type { AuditSources, MapperReserve } from '../../db/audit/sources.ts';
import type { SuspectSearchOptions } from '../../db/audit/suspect-search.ts';
import { UrlsWatch } from '../../db/audit/urls-watch.ts';
import { placementOf, slotOf } from '../../db/keyspace/placement.ts';
import { openPool, type Pool } from '../../db/redis/pool.ts';
import { type LinkRow } from '../../db/urls/link.ts';
import { openUrlsDb, type UrlsDb } from '../../db/urls/links.ts';
import { migratedDatabase } from '../migrated-database.ts';
import { testRedis } from '../servers.ts';
import { until } from '../until.ts';
import { keyspace, log, reigning, type TestKeysDb } from './keys-db-fixture.ts';
import { LOWER, UPPER } from './urls-fixture.ts';

/**
 * A small system without processes: two keys-dbs, two pools, two urls databases, and mappers that only hold
 * keys.
 */
export interface TestSystem extends AsyncDisposable {
  readonly sources: AuditSources;
  readonly shards: readonly TestKeysDb[];
  readonly pools: readonly Pool[];
  readonly urlsDbs: readonly UrlsDb[];
  readonly urlsDbUrls: readonly string[];
  /** The keys that the mappers hold. Undefined: the mapper does not answer. */
  readonly reserves: Map<string, string[] | undefined>;
  /** Claims `count` ids of a shard and delivers their keys to the pools. */
  issue(shard: number, count: number): Promise<string[]>;
  /** Binds keys like a mapper. */
  bind(keys: readonly string[], options?: { alias?: boolean }): Promise<void>;
}

export async function testSystem({ keysPerShard = 2_000 } = {}): Promise<TestSystem> {
  const shards = await Promise.all([0, 1].map(async (region) => reigning(keysPerShard, { region })));
  const pools = (await testRedis(2)).map(({ name, url }) => openPool({ name, url, log }));
  await Promise.all(pools.map(async (pool) => until('redis', () => pool.isConnected)));
  const urlsDbUrls = await Promise.all(
    ['urls-1', 'urls-2'].map(async (name) => migratedDatabase(name, 'urls')),
  );
  const urlsDbs = urlsDbUrls.map((url, i) =>
    openUrlsDb({ name: `urls-${i + 1}`, url, slots: i === 0 ? LOWER : UPPER, log }),
  );
  const reserves = new Map<string, string[] | undefined>();
  const listReserves = async (): Promise<MapperReserve[]> =>
    [...reserves].map(([mapper, keys]) => ({ mapper, keys }));
  const keysDbs = shards.map(({ db }) => db);
  const seqs = [0, 0];
  return {
    sources: { keyspace, keysDbs, pools, urlsDbs, reserves: listReserves },
    shards,
    pools,
    urlsDbs,
    urlsDbUrls,
    reserves,
    async issue(shard, count) {
      const { db } = shards[shard] ?? fail();
      const seq = (seqs[shard] = (seqs[shard] ?? 0) + 1);
      const parts = pools.map(({ name }) => ({ pool: name, seq }));
      const batch = (await db.claim({ epoch: 1, count, parts })) ?? fail();
      const keys = (await db.keysOf(batch)).map(({ key }) => key);
      await Promise.all(
        pools.map(async (pool, i) => {
          const own = keys.filter((key) => placementOf(key, pools.length) === i);
          await pool.deliver({ keysDb: db.name, epoch: 1, seq, keys: own });
        }),
      );
      await db.markDelivered(batch, [...pools.keys()]);
      return keys;
    },
    async bind(keys, { alias = false } = {}) {
      await Promise.all(
        urlsDbs.map(async (db, half) => {
          const own = keys.filter((key) => (slotOf(key) < 16 ? 0 : 1) === half);
          for (let at = 0; at < own.length; at += 1_000) {
            await db.insert(own.slice(at, at + 1_000).map((key) => linkRow(key, alias)));
          }
        }),
      );
    },
    async [Symbol.asyncDispose]() {
      await Promise.allSettled([
        ...shards.map((shard) => shard[Symbol.asyncDispose]()),
        ...pools.map((pool) => pool[Symbol.asyncDispose]()),
        ...urlsDbs.map((db) => db.close()),
      ]);
    },
  };
}

/** The options of a search by the holder of the first keys-db, in epoch 1. */
export function searchOptions({ sources, shards }: TestSystem): SuspectSearchOptions {
  const keysDb = shards[0]?.db ?? fail();
  const { keyspace: keys, pools, urlsDbs, reserves } = sources;
  const nothing = (): void => undefined;
  const watch = new UrlsWatch({ keysDb, epoch: 1, urlsDbs, log, onChange: nothing, onAlarms: nothing });
  return {
    keysDb,
    epoch: 1,
    watch,
    keyspace: keys,
    pools,
    urlsDbs,
    reserves,
    quarantineMs: 0,
    onLinksGone: nothing,
    log,
  };
}

export function linkRow(key: string, alias = false): LinkRow {
  const requestId = randomBytes(16).toString('hex');
  return {
    key,
    slot: slotOf(key),
    longUrl: `https://example.org/${key}`,
    userId: null,
    createdAt: new Date(),
    expiresAt: null,
    requestId,
    alias,
  };
}

function fail(): never {
  throw new Error('the fixture ran out of shards or keys');
}
