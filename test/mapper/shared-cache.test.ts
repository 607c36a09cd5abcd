import { expect } from 'chai';
import { Redis } from 'ioredis';
import { createKeyspace, type Keyspace } from '../../db/keyspace/key.ts';
import { openCacheDb, type CacheDb } from '../../db/redis/cache.ts';
import { createLog } from '../../runtime/log.ts';
import { testRedis } from '../servers.ts';
import { until } from '../until.ts';
import { send, shorten } from './client.ts';
import { viaProxy } from './faulty.ts';
import { createWorld, type TestMapper, type World } from './world.ts';

const log = createLog('test', 'cache', 'silent');

describe('the shared cache', () => {
  let world: World;
  let shards: Awaited<ReturnType<typeof viaProxy>>[];
  let one: TestMapper;
  let two: TestMapper;

  before(async function () {
    this.timeout(60_000);
    world = await createWorld();
    await world.fill(0, 200);
    shards = await Promise.all((await testRedis(2)).map(viaProxy));
    const cache = { maxBytes: 2 ** 22, ttlMs: 60_000, shards };
    one = await world.start({ cache });
    two = await world.start({ cache });
  });

  afterEach(() => {
    for (const { proxy } of shards) proxy.heal();
  });

  after(async function () {
    this.timeout(60_000);
    await world[Symbol.asyncDispose]();
    for (const { proxy } of shards) await proxy.stop();
  });

  async function location(mapper: TestMapper, key: string): Promise<string | number | undefined> {
    const { status, headers } = await send('GET', `${mapper.url}/${key}`);
    return status === 302 ? headers.location : status;
  }

  async function edit(key: string, target: string): Promise<void> {
    for (const { sql } of world.urls)
      await sql.query('UPDATE urls SET original_url = ? WHERE unique_id = ?', [target, key]);
  }

  async function countOf(mapper: TestMapper, source: string): Promise<number> {
    const { text } = await send('GET', `${mapper.adminUrl}/metrics`);
    const found = new RegExp(`keymill_redirects_total\\{result="found",source="${source}"\\} (\\d+)`).exec(
      text,
    );
    return Number(found?.[1] ?? 0);
  }

  /** On how many shards there is an entry. */
  async function held(key: string): Promise<number> {
    const clients = shards.map(({ url }) => new Redis(url));
    const found = await Promise.all(clients.map(async (client) => client.keys(`cache:*:${key}`)));
    for (const client of clients) client.disconnect();
    return found.flat().length;
  }

  async function create(alias: string): Promise<void> {
    const { status } = await shorten(one.url, { long_url: 'https://example.com/old', custom_alias: alias });
    expect(status).to.equal(201);
  }

  it('serves to one mapper what another one has read', async () => {
    await create('read-by-one');
    expect(await location(one, 'read-by-one')).to.equal('https://example.com/old');
    // The first mapper stored nothing: it made the alias, so it read the primary. The next one has seen no
    // change.
    const readBy = async (source: 'db' | 'cache'): Promise<boolean> => {
      const mapper = await world.start({ cache: { maxBytes: 2 ** 22, ttlMs: 60_000, shards } });
      expect(await location(mapper, 'read-by-one')).to.equal('https://example.com/old');
      return (await countOf(mapper, source)) === 1;
    };
    expect(await readBy('db')).to.equal(true);
    await until('the entry', async () => (await held('read-by-one')) === 1);
    // On a busy machine the cache does not answer in time, and the database does.
    await until('one that is in time', async () => readBy('cache'));
    expect(await held('read-by-one')).to.equal(1);
  });

  it('is named in /readyz while one of its servers does not answer, and not when it is back', async () => {
    const silent = async (): Promise<string> =>
      JSON.stringify((await send('GET', `${one.adminUrl}/readyz`)).json()['degraded']);
    await until('all stores', async () => (await silent()) === '[]');
    shards[1]?.proxy.acceptWithoutAnswering();
    shards[1]?.proxy.cut();
    await until('its name', async () => (await silent()) === JSON.stringify([shards[1]?.name]));
    expect((await send('GET', `${one.adminUrl}/readyz`)).status).to.equal(200);
    shards[1]?.proxy.heal();
    await until('all stores', async () => (await silent()) === '[]');
  });

  it('is not used for a key that has just changed', async () => {
    await create('edited');
    await location(one, 'edited');
    await edit('edited', 'https://example.com/new');
    for (const { client } of world.redis) await client.publish('keymill:invalidate', 'edited');
    for (const mapper of [one, two]) {
      await until(
        'the new target',
        async () => (await location(mapper, 'edited')) === 'https://example.com/new',
      );
    }
  });

  it('delays no announcement when its shards hang', async () => {
    const [redis] = world.redis;
    if (redis === undefined) throw new Error('no Redis');
    const listener = redis.client.duplicate();
    await listener.subscribe('keymill:invalidate');
    let announcedMs = 0;
    listener.on('message', (_channel, key) => {
      if (key === 'announced') announcedMs ||= performance.now();
    });
    for (const { proxy } of shards) proxy.silence();
    await create('announced');
    const acknowledgedMs = performance.now();
    listener.disconnect();
    expect(announcedMs).to.be.greaterThan(0);
    // The acknowledgement waits for the shard, a quarter of a second; the announcement to other mappers does
    // not.
    expect(acknowledgedMs - announcedMs).to.be.greaterThan(100);
  });

  it('is not needed when its shards hang or refuse', async function () {
    this.timeout(10_000);
    await create('without-cache');
    for (const { proxy } of shards) proxy.silence();
    expect(await location(two, 'without-cache')).to.equal('https://example.com/old');
    expect(await location(two, 'no-such-key')).to.equal(404);
    for (const { proxy } of shards) proxy.cut();
    await create('without-cache-2');
    expect(await location(two, 'without-cache-2')).to.equal('https://example.com/old');
  });
});

const [OURS, OTHERS] = ['a secret for tests', 'the secret of another cluster'].map((secret) =>
  createKeyspace({ length: 8, secret, regionBits: 10 }),
) as [Keyspace, Keyspace];

describe('a cache shard', () => {
  let db: CacheDb;
  let server: { url: string } | undefined;

  beforeEach(async () => {
    [server] = await testRedis();
    db = openCacheDb({ name: 'cache-1', url: server?.url ?? '', keyspace: OURS, log, timeoutMs: 1_000 });
    await until('the connection', async () => db.read('key').then(Boolean, () => false));
  });

  afterEach(async () => db[Symbol.asyncDispose]());

  it('keeps the links of two clusters apart', async () => {
    const { version } = await db.read('promo');
    await db.fill('promo', { version, value: 'ours', ttlMs: 60_000 });
    const url = server?.url ?? '';
    await using other = openCacheDb({ name: 'cache-1', url, keyspace: OTHERS, log, timeoutMs: 1_000 });
    await until('the connection', async () => other.read('x').then(Boolean, () => false));
    expect((await other.read('promo')).value).to.equal(undefined);
    await other.forget('promo');
    expect((await db.read('promo')).value).to.equal('ours');
  });

  it('returns what was stored, and for how long it may be used', async () => {
    const { value, version } = await db.read('key');
    expect(value).to.equal(undefined);
    expect(await db.fill('key', { version, value: 'text', ttlMs: 60_000 })).to.equal(true);
    const answer = await db.read('key');
    expect(answer.value).to.equal('text');
    expect(answer.remainingMs).to.be.within(50_000, 60_000);
  });

  it('never stores a fill that began before an invalidation', async () => {
    const before = await db.read('key');
    await db.forget('key');
    expect(await db.fill('key', { version: before.version, value: 'old', ttlMs: 60_000 })).to.equal(false);
    const after = await db.read('key');
    expect(after.value).to.equal(undefined);
    expect(await db.fill('key', { version: after.version, value: 'new', ttlMs: 60_000 })).to.equal(true);
    await db.forget('key');
    expect((await db.read('key')).value).to.equal(undefined);
  });
});
