import { isHeld, tryAcquire, type HeldLock } from '../../coordinator/lock.ts';
import { lockPath, PATHS, producerPath } from '../../coordinator/paths.ts';
import { Session } from '../../coordinator/session.ts';
import { openKeysDb, type KeysDb } from '../../db/keys-db/keys-db.ts';
import { createKeyspace } from '../../db/keyspace/key.ts';
import { openPool, type Pool } from '../../db/redis/pool.ts';
import { openClicksDb, type ClicksDb } from '../../db/clicks/clicks-db.ts';
import { openUrlsDb, type UrlsDb } from '../../db/urls/links.ts';
import { ALL_SLOTS, formatSlots } from '../../runtime/config/slots.ts';
import { createLog } from '../../runtime/log.ts';
import { ADMIN_TOKEN } from '../admin-token.ts';
import { migratedDatabase } from '../migrated-database.ts';
import { testDatabase, testRedis, testZooKeeper } from '../servers.ts';

const SECRET = 'the secret of a test cluster';

/** Real stores without producers and mappers: the tests write in their place. */
export interface TestCluster extends AsyncDisposable {
  /** The variables that describe it to `keymill`. */
  readonly env: Record<string, string>;
  readonly session: Session;
  readonly keysDbs: readonly KeysDb[];
  readonly pools: readonly Pool[];
  readonly urlsDb: UrlsDb;
  readonly clicksDb: ClicksDb;
}

/** Takes the lock of a shard like a producer. */
export async function holdLock({ session }: TestCluster, shard: string, owner: string): Promise<HeldLock> {
  const lock = await tryAcquire(session, lockPath(shard), { owner, host: 'h', pid: 1 });
  if (!isHeld(lock)) throw new Error(`${shard} was taken`);
  return lock;
}

/** Registers a producer with the fields that operators need. */
export async function registerProducer({ session }: TestCluster, id: string, admin: string): Promise<void> {
  await session.ensurePath(PATHS.producers);
  await session.create(producerPath(id), JSON.stringify({ id, capacity: 2, admin }), { ephemeral: true });
}

/** Two keys-dbs, two pools, one urls server, one ensemble with a chroot of its own. */
export async function openTestCluster(): Promise<TestCluster> {
  await using stack = new AsyncDisposableStack();
  const log = createLog('test', 'operator', 'silent');
  const [keysUrl1, keysUrl2, urlsUrl, usersUrl] = await Promise.all([
    migratedDatabase('keys_db_1', 'keys-db'),
    migratedDatabase('keys_db_2', 'keys-db'),
    migratedDatabase('urls', 'urls'),
    testDatabase('users'),
  ]);
  const redis = await testRedis(2);
  const { connect } = await testZooKeeper();
  const keyspace = createKeyspace({ length: 8, secret: SECRET, regionBits: 10 });
  const keysDbs = [keysUrl1, keysUrl2].map((url, region) =>
    stack.use(openKeysDb({ name: `keys-db-${region + 1}`, url, region, keyspace, log })),
  );
  for (const keysDb of keysDbs) await keysDb.verify();
  const pools = redis.map((shard) => stack.use(openPool({ ...shard, log })));
  for (const pool of pools) await pool.whenConnected(5_000);
  const urlsDb = openUrlsDb({ name: 'urls-1', url: urlsUrl, slots: ALL_SLOTS, log });
  stack.defer(() => urlsDb.close());
  await urlsDb.verifySlots();
  const clicksDb = openClicksDb({ name: 'urls-1', url: urlsUrl });
  stack.defer(() => clicksDb.close());
  const session = await Session.open({ connect, timeoutMs: 4_000, log });
  stack.defer(() => session.close());
  const owned = stack.move();
  return {
    env: {
      KEYMILL_ZOOKEEPER: connect,
      KEYMILL_REDIS: redis.map(({ name, url }) => `${name}=${url}`).join(','),
      KEYMILL_KEYS_DBS: `keys-db-1=${keysUrl1},keys-db-2=${keysUrl2}`,
      KEYMILL_URLS_DBS: `urls-1:${formatSlots(ALL_SLOTS)}=${urlsUrl}`,
      KEYMILL_USERS_DB: usersUrl,
      KEYMILL_KEY_SECRET: SECRET,
      KEYMILL_ADMIN_TOKEN: ADMIN_TOKEN,
    },
    session,
    keysDbs,
    pools,
    urlsDb,
    clicksDb,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
