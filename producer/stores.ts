import { openKeysDb, type KeysDb } from '../db/keys-db/keys-db.ts';
import { createKeyspace, type Keyspace } from '../db/keyspace/key.ts';
import { openPool, type Pool } from '../db/redis/pool.ts';
import { openUrlsDb, type UrlsDb } from '../db/urls/links.ts';
import type { StoresConfig } from '../runtime/config/stores.ts';
import { KeymillError } from '../runtime/errors.ts';
import type { Log } from '../runtime/log.ts';

/** The stores of a producer, each with its own connections. */
export interface ProducerStores extends AsyncDisposable {
  readonly keysDbs: readonly KeysDb[];
  readonly pools: readonly Pool[];
  /** Only read, to find which keys are bound. */
  readonly urlsDbs: readonly UrlsDb[];
  readonly keyspace: Keyspace;
  /** @throws KeymillError if no keys-db of that name is configured */
  keysDb(shard: string): KeysDb;
}

/** Starts connecting to all stores in the background; none needs to be up yet. */
export function openStores(config: StoresConfig, log: Log): ProducerStores {
  const keyspace = createKeyspace(config.keys);
  const keysDbs = config.keysDbs.map(({ name, url, region }) =>
    openKeysDb({ name, url, region, keyspace, log }),
  );
  const pools = config.redis.map(({ name, url }) => openPool({ name, url, keyspace, log }));
  const urlsDbs = config.urlsDbs.map((urlsDb) => openUrlsDb({ ...urlsDb, keyspace, log, connections: 1 }));
  const byName = new Map(keysDbs.map((keysDb) => [keysDb.name, keysDb]));
  return {
    keysDbs,
    pools,
    urlsDbs,
    keyspace,
    keysDb: (shard) => {
      const keysDb = byName.get(shard);
      if (!keysDb) throw new KeymillError('UNKNOWN_SHARD', `no keys-db ${shard} in KEYMILL_KEYS_DBS`);
      return keysDb;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.allSettled([
        ...pools.map((pool) => pool[Symbol.asyncDispose]()),
        ...keysDbs.map((keysDb) => keysDb.close()),
        ...urlsDbs.map((urlsDb) => urlsDb.close()),
      ]);
    },
  };
}
