import { expect } from 'chai';
import { Redis } from 'ioredis';
import { markDrained } from '../../coordinator/drained.ts';
import { isHeld, tryAcquire } from '../../coordinator/lock.ts';
import { lockPath, mapperPath, PATHS, producerPath } from '../../coordinator/paths.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import { until } from '../until.ts';
import { startAdminPort, type AdminPort } from './admin-port.ts';
import { openTestCluster, type TestCluster } from './cluster.ts';
import { runKeymill } from './run-keymill.ts';

interface Status {
  locks: {
    shard: string;
    owner: string | null;
    pid: number | null;
    since: string | null;
    epoch: number | null;
  }[];
  pools: {
    name: string;
    level: number | null;
    low: number | null;
    high: number | null;
    healthy: boolean;
    problem: string | null;
  }[];
  producers: object[];
  mappers: object[];
  keysDbs: object[];
  urlsDbs: object[];
  unheld: { shard: string; why: string }[];
  reservedAliases: string[];
  unreachable: string[];
}

describe('keymill status, locks, pools, producers', () => {
  let cluster: TestCluster;
  let mapperAdmin: AdminPort;

  before(async () => {
    cluster = await openTestCluster();
    const { session, keysDbs, pools, urlsDb } = cluster;
    const lock = await tryAcquire(session, lockPath('keys-db-1'), {
      owner: 'producer-1',
      host: 'h',
      pid: 4711,
    });
    if (!isHeld(lock)) throw new Error('the lock was taken');
    await lock.publishEpoch(7);
    for (const path of [PATHS.producers, PATHS.mappers]) await session.ensurePath(path);
    const producer = {
      id: 'producer-1',
      pid: 4711,
      supervisorPid: 4710,
      host: 'h',
      capacity: 2,
      owned: ['keys-db-1'],
      asks: [],
      admin: 'http://127.0.0.1:1',
      low: { 'redis-1': 4_000, 'redis-2': 4_500 },
      high: { 'redis-1': 10_000 },
      since: '2026-01-01T00:00:00.000Z',
    };
    await session.create(producerPath('producer-1'), JSON.stringify(producer), { ephemeral: true });
    await session.create(
      producerPath('producer-2'),
      JSON.stringify({
        ...producer,
        id: 'producer-2',
        owned: [],
        low: { 'redis-1': 5_000 },
        high: { 'redis-1': 20_000 },
      }),
      { ephemeral: true },
    );
    await session.create(
      mapperPath('mapper-1'),
      JSON.stringify({ id: 'mapper-1', url: 'http://127.0.0.1:8080' }),
      {
        ephemeral: true,
      },
    );
    mapperAdmin = await startAdminPort({
      'GET /readyz': async () => ({ ok: true, degraded: ['redis-2', 'urls-1 writes'] }),
    });
    const sick = { id: 'mapper-2', url: 'http://127.0.0.1:8081', admin: mapperAdmin.url };
    await session.create(mapperPath('mapper-2'), JSON.stringify(sick), { ephemeral: true });
    await keysDbs[0]?.generate({ count: 1_000 });
    const link = { userId: null, createdAt: new Date(), expiresAt: null, longUrl: 'https://example.com/' };
    await urlsDb.insert(
      ['status', 'Graphql', 'GraphQL', 'OAuth', 'webHook', 'Well-Known', 'sTATUS', 'an-alias'].map((key) => ({
        ...link,
        key,
        slot: slotOf(key),
        requestId: '00'.repeat(16),
        alias: true,
      })),
    );
    await pools[0]?.deliver({ keysDb: 'keys-db-1', epoch: 1, seq: 1, keys: ['AAAAAAAA', 'BBBBBBBB'] });
  });

  after(async () => {
    await mapperAdmin[Symbol.asyncDispose]();
    await cluster[Symbol.asyncDispose]();
  });

  it('status --json has the fields of docs/contract.md', async () => {
    // On a busy machine, a source may miss its deadline once.
    const { stderr, status } = await until('all sources to answer in time', async () => {
      const outcome = await runKeymill(['status', '--json'], cluster.env);
      expect(outcome.exitCode).to.equal(0);
      const answer = JSON.parse(outcome.stdout) as Status;
      const isComplete = answer.unreachable.length === 0 && answer.pools.every(({ healthy }) => healthy);
      return isComplete && { stderr: outcome.stderr, status: answer };
    });
    expect(stderr).to.equal('');
    expect(status).to.have.all.keys(
      'locks',
      'pools',
      'producers',
      'mappers',
      'keysDbs',
      'urlsDbs',
      'unheld',
      'refused',
      'recyclingBlocked',
      'reservedAliases',
      'unreachable',
    );
    expect(status.reservedAliases).to.deep.equal([
      'GraphQL',
      'Graphql',
      'OAuth',
      'Well-Known',
      'status',
      'webHook',
    ]);
    const [held, free] = status.locks;
    expect(held).to.include({ shard: 'keys-db-1', owner: 'producer-1', pid: 4711, epoch: 7 });
    expect(held?.since).to.match(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    expect(free).to.deep.equal({ shard: 'keys-db-2', owner: null, pid: null, since: null, epoch: null });
    expect(status.pools).to.deep.equal([
      { name: 'redis-1', level: 2, low: 5_000, high: 20_000, healthy: true, problem: null },
      { name: 'redis-2', level: 0, low: 4_500, high: null, healthy: true, problem: null },
    ]);
    const running = { supervisorPid: 4710, workerPid: 4711, capacity: 2, drained: false };
    expect(status.producers).to.deep.equal([
      { id: 'producer-1', ...running, shards: ['keys-db-1'] },
      { id: 'producer-2', ...running, shards: [] },
    ]);
    expect(status.mappers).to.deep.equal([
      { id: 'mapper-1', url: 'http://127.0.0.1:8080', degraded: null },
      { id: 'mapper-2', url: 'http://127.0.0.1:8081', degraded: ['redis-2', 'urls-1 writes'] },
    ]);
    expect(status.keysDbs).to.deep.equal([
      { name: 'keys-db-1', unused: 1_000, used: 0 },
      { name: 'keys-db-2', unused: 0, used: 0 },
    ]);
    expect(status.urlsDbs).to.deep.equal([{ name: 'urls-1', goneBack: null }]);
    expect(status.unheld, 'producer-2 may take the free one').to.deep.equal([]);
    expect(status.unreachable).to.deep.equal([]);
  });

  it('status as text fits on one screen', async () => {
    const { stdout } = await runKeymill(['status'], cluster.env);
    for (const part of ['Locks', 'Pools', 'Producers', 'Mappers', 'Keys-dbs'])
      expect(stdout).to.include(part);
    expect(stdout).to.match(/reserved word now .*: GraphQL, Graphql, .*status/);
    expect(stdout).to.match(/keys-db-1 +producer-1 +4711 +7/);
    expect(stdout).to.match(/keys-db-2 +\(free\)/);
    expect(stdout)
      .to.match(/mapper-1 .+\(unknown\)/)
      .and.match(/mapper-2 .+redis-2, urls-1 writes/);
    expect(stdout.split('\n').length).to.be.below(30);
  });

  it('names the sources that do not answer, and shows the rest, in about a second', async () => {
    const env = {
      ...cluster.env,
      KEYMILL_REDIS: `${cluster.env['KEYMILL_REDIS']},redis-3=redis://127.0.0.1:1`,
      KEYMILL_KEYS_DBS: `${cluster.env['KEYMILL_KEYS_DBS']},keys-db-3=mysql://nobody:x@127.0.0.1:1/none`,
    };
    const startedAt = performance.now();
    const { exitCode, stdout, stderr } = await runKeymill(['status', '--json'], env);
    expect(performance.now() - startedAt).to.be.below(2_500);
    const status = JSON.parse(stdout) as Status;
    expect(exitCode).to.equal(0);
    expect(status.unreachable).to.deep.equal(['keys-db-3', 'redis-3']);
    expect(status.pools[2]).to.deep.equal({
      name: 'redis-3',
      level: null,
      low: null,
      high: null,
      healthy: false,
      problem: null,
    });
    expect(status.keysDbs[2]).to.deep.equal({ name: 'keys-db-3', unused: null, used: null });
    expect(stderr).to.include('unreachable: redis-3').and.not.include('nobody:x');
  });

  it('says why a pool is not used', async () => {
    const shard = cluster.env['KEYMILL_REDIS']?.split(',')[1]?.replace(/^[^=]*=/, '') ?? '';
    const client = new Redis(shard);
    const problem = async (): Promise<string> => {
      const { stdout } = await runKeymill(['pools', '--json'], cluster.env);
      const [, second] = (JSON.parse(stdout) as Status).pools;
      expect(second?.healthy).to.equal(false);
      return second?.problem ?? '';
    };
    await client.hset('producer:keys-db-1', { epoch: '9007199254740992' });
    expect(await problem())
      .to.include('redis-2')
      .and.include('epoch of producer:keys-db-1');
    // Above the epoch that the holder of keys-db-1 publishes.
    await client.hset('producer:keys-db-1', { epoch: '99999999999' });
    expect(await problem()).to.include('more than 2^32 above');
    await client.del('producer:keys-db-1');
    await client.rpush('keys:available', 'sevenly');
    expect(await problem()).to.include('no keys of 8 characters');
    await client.del('keys:available');
    await client.set('keyspace', '{"key_length":7,"region_bits":4,"fingerprint":"x"}');
    expect(await problem())
      .to.include('key_length 7')
      .and.include('KEYMILL_KEY_LENGTH');
    for (const command of ['pools', 'status']) {
      const { stdout, stderr } = await runKeymill([command], cluster.env);
      expect(stdout).to.match(
        /redis-2.*NOT USED[^]+ALARMS[^]+redis-2 +not used: redis-2: its pool was made for/,
      );
      expect(stdout).to.match(/KEYMILL_KEY_LENGTH/);
      expect(stderr).to.equal('');
    }
    await client.del('keyspace');
    client.disconnect();
  });

  it('raises an alarm for a free shard that no producer will take, and says why', async () => {
    const { session, env } = cluster;
    const unheld = async (): Promise<Status['unheld']> =>
      (JSON.parse((await runKeymill(['status', '--json'], env)).stdout) as Status).unheld;
    await markDrained(session, 'producer-1', true);
    expect(await unheld()).to.deep.equal([]);
    await markDrained(session, 'producer-2', true);
    const why = 'every producer is drained. Let one take shards again: keymill producers undrain ID';
    expect(await unheld()).to.deep.equal([{ shard: 'keys-db-2', why }]);
    expect((await runKeymill(['status'], env)).stdout).to.match(
      /ALARMS[^]+keys-db-2 +no producer holds it: every producer is drained/,
    );
    for (const id of ['producer-1', 'producer-2']) await markDrained(session, id, false);
    expect(await unheld()).to.deep.equal([]);
  });

  it('shows the pools and keys-dbs without ZooKeeper; exit code 2 when no source answers', async () => {
    const env = { ...cluster.env, KEYMILL_ZOOKEEPER: '127.0.0.1:1' };
    const { exitCode, stdout } = await runKeymill(['status', '--json'], env);
    const status = JSON.parse(stdout) as Status;
    expect(exitCode).to.equal(0);
    expect(status.unreachable).to.deep.equal(['zookeeper']);
    expect(status.unheld).to.deep.equal([]);
    expect(status.locks.map(({ owner }) => owner)).to.deep.equal([null, null]);
    expect(status.pools[0]?.level).to.equal(2);
    const dead = await runKeymill(['locks', '--json'], env);
    expect(dead).to.include({ exitCode: 2, stdout: '' });
    expect(dead.stderr).to.include('zookeeper cannot be reached');
  });

  it('locks, pools and producers show only their own part', async () => {
    const locks = await runKeymill(['locks'], cluster.env);
    expect(locks.stdout)
      .to.match(/^shard +holder/)
      .and.match(/keys-db-1 +producer-1/);
    const pools = JSON.parse((await runKeymill(['pools', '--json'], cluster.env)).stdout) as Status;
    expect(pools.pools.map(({ level }) => level)).to.deep.equal([2, 0]);
    expect(pools.unreachable).to.deep.equal([]);
    const producers = await runKeymill(['producers'], cluster.env);
    expect(producers.stdout).to.match(/producer-2 .* 0 of 2/);
  });
});

describe('keymill locks: what is not ours', () => {
  it('shows foreign and unreadable nodes, and releases one by name', async () => {
    await using cluster = await openTestCluster();
    const { session, env } = cluster;
    await session.ensurePath(PATHS.locks);
    await session.create(lockPath('keys-db-1'), 'not json \u0000', { ephemeral: false });
    await session.create(lockPath('keys-db-2'), '{"owner":"producer-9"}', { ephemeral: false });
    await session.create(lockPath('zebra'), '', { ephemeral: false });
    const { exitCode, stdout, stderr } = await runKeymill(['locks', '--json'], env);
    expect(exitCode).to.equal(0);
    const { locks } = JSON.parse(stdout) as Status;
    expect(locks.map(({ owner }) => owner)).to.deep.equal(['foreign', 'foreign']);
    expect(stderr).to.include('/shard-locks/zebra');

    expect(await runKeymill(['locks', 'release', 'keys-db-1'], env)).to.include({ exitCode: 0 });
    // Our session may read from a server that has not applied the delete yet.
    await until('the lock to be gone', async () => (await session.get(lockPath('keys-db-1'))) === undefined);
    const again = await runKeymill(['locks', 'release', 'keys-db-1', '--json'], env);
    expect(again).to.include({ exitCode: 1, stdout: '' });
    expect(again.stderr).to.include('no producer holds keys-db-1');
    expect((await runKeymill(['locks', 'release', 'a/b'], env)).exitCode).to.equal(2);
  });

  it('says that a lock has nodes below it, and how to delete them', async () => {
    await using cluster = await openTestCluster();
    const { session, env } = cluster;
    await session.ensurePath(`${lockPath('keys-db-1')}/a-child`);
    const { exitCode, stderr } = await runKeymill(['locks', 'release', 'keys-db-1'], env);
    expect(stderr)
      .to.include('has nodes below it: a-child')
      .and.include('zk deleteall /shard-locks/keys-db-1');
    expect(stderr).not.to.include('cannot be reached');
    expect(exitCode).to.equal(1);
  });
});
