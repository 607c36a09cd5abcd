import { expect } from 'chai';
import { mapperPath, PATHS } from '../../coordinator/paths.ts';
import type { AuditReport } from '../../db/audit/audit.ts';
import { placementOf, slotOf } from '../../db/keyspace/placement.ts';
import { startAdminPort } from './admin-port.ts';
import { holdLock, openTestCluster, registerProducer, type TestCluster } from './cluster.ts';
import { runKeymill } from './run-keymill.ts';

const LINK = { userId: null, createdAt: new Date(), expiresAt: null, alias: false };

/** Claims twenty keys for two pools, delivers the part of one pool, and takes three of its keys. */
async function issueKeys({
  keysDbs,
  pools,
}: TestCluster): Promise<{ taken: string[]; pooled: number; pending: number }> {
  const [keysDb] = keysDbs;
  const [pool] = pools;
  if (!keysDb || !pool) throw new Error('the cluster is incomplete');
  await keysDb.generate({ count: 100 });
  const epoch = (await keysDb.raiseEpoch({ czxid: 1n, ensemble: 'test', owner: 'producer-1' })) ?? 0;
  const parts = [
    { pool: 'redis-1', seq: 1 },
    { pool: 'redis-2', seq: 1 },
  ];
  const batch = await keysDb.claim({ epoch, count: 20, parts });
  if (!batch) throw new Error('nothing was claimed');
  const keys = (await keysDb.keysOf(batch)).map(({ key }) => key);
  const first = keys.filter((key) => placementOf(key, 2) === 0);
  await pool.deliver({ keysDb: keysDb.name, epoch, seq: 1, keys: first });
  await keysDb.markDelivered(batch, [0]);
  const { keys: taken } = await pool.take(3);
  return { taken, pooled: first.length - 3, pending: keys.length - first.length };
}

async function registerMapper({ session }: TestCluster, id: string, admin: string): Promise<void> {
  await session.ensurePath(PATHS.mappers);
  await session.create(mapperPath(id), JSON.stringify({ id, url: 'http://127.0.0.1:1', admin }), {
    ephemeral: true,
  });
}

describe('keymill audit', () => {
  it('finds every issued key in one place, and asks the mappers for the keys that they hold', async () => {
    await using cluster = await openTestCluster();
    const { taken, pooled, pending } = await issueKeys(cluster);
    const [bound = '', held = ''] = taken;
    await cluster.urlsDb.insert([
      {
        ...LINK,
        key: bound,
        slot: slotOf(bound),
        longUrl: 'https://example.com/',
        requestId: '01'.repeat(16),
      },
      {
        ...LINK,
        key: 'an-alias',
        slot: slotOf('an-alias'),
        longUrl: 'https://example.com/',
        requestId: '02'.repeat(16),
        alias: true,
      },
    ]);
    await using mapper = await startAdminPort({ 'GET /reserve': async () => ({ keys: [held] }) });
    await registerMapper(cluster, 'mapper-1', mapper.url);
    const { exitCode, stdout } = await runKeymill(['audit', '--json'], cluster.env);
    const report = JSON.parse(stdout) as AuditReport;
    expect(report).to.include({
      issued: 20,
      unused: 80,
      pending,
      pooled,
      reserved: 1,
      bound: 1,
      leaked: 1,
      unknown: 0,
    });
    expect(report).to.include({ aliases: 1, duplicates: 0, balanced: true });
    expect(exitCode, 'leaked keys are found again; nothing is wrong').to.equal(0);
    const text = await runKeymill(['audit'], cluster.env);
    expect(text.stdout)
      .to.match(/issued +20 /)
      .and.include('balanced');
  });

  it('counts no key as leaked while a mapper or a pool is silent, exit code 2', async () => {
    await using cluster = await openTestCluster();
    await issueKeys(cluster);
    await registerMapper(cluster, 'mapper-1', 'http://127.0.0.1:1');
    const env = {
      ...cluster.env,
      KEYMILL_REDIS: `${cluster.env['KEYMILL_REDIS']},redis-3=redis://127.0.0.1:1`,
    };
    const { exitCode, stdout, stderr } = await runKeymill(['audit', '--json'], env);
    const report = JSON.parse(stdout) as AuditReport;
    expect(report).to.include({ issued: 20, leaked: 0, unknown: 3, balanced: true });
    expect(report.unreachable.toSorted()).to.deep.equal(['mapper-1', 'redis-3']);
    expect(exitCode).to.equal(2);
    expect(stderr).to.include('unreachable: mapper-1');
  });

  it('prints no document without a keys-db, exit code 2', async () => {
    await using cluster = await openTestCluster();
    const env = {
      ...cluster.env,
      KEYMILL_KEYS_DBS: `${cluster.env['KEYMILL_KEYS_DBS']},keys-db-3=mysql://u:hidden@127.0.0.1:1/none`,
    };
    const { exitCode, stdout, stderr } = await runKeymill(['audit', '--json'], env);
    expect({ exitCode, stdout }).to.deep.equal({ exitCode: 2, stdout: '' });
    expect(stderr).to.include('keys-db-3').and.not.include('hidden');
  });

  it('--repair asks only the producers that hold a shard', async () => {
    await using cluster = await openTestCluster();
    const { env } = cluster;
    await using holder = await startAdminPort({
      'POST /recycle': async () => ({ recycled: 3, missing: 5, unreachable: [] }),
    });
    await using idle = await startAdminPort({});
    await registerProducer(cluster, 'producer-1', holder.url);
    await registerProducer(cluster, 'producer-2', idle.url);
    await holdLock(cluster, 'keys-db-1', 'producer-1');
    const { exitCode, stderr } = await runKeymill(['audit', '--repair'], env);
    expect(exitCode).to.equal(0);
    expect(stderr).to.include('producer-1: recycles 3 keys, 2 more are missing');
    expect({ holder: holder.asked, idle: idle.asked }).to.deep.equal({ holder: ['POST /recycle'], idle: [] });
  });
});
