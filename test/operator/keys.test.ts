import { expect } from 'chai';
import { slotOf } from '../../db/keyspace/placement.ts';
import { openTestCluster, type TestCluster } from './cluster.ts';
import { runKeymill } from './run-keymill.ts';

interface Where {
  key: string;
  life: string;
  place: string | null;
  keysDb: string | null;
  id: number | null;
  link: { originalUrl: string | null } | null;
  clicks: number | null;
  unreachable: string[];
}

describe('keymill keys generate', () => {
  let cluster: TestCluster;

  before(async () => {
    cluster = await openTestCluster();
  });

  after(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  it('adds the given number of keys, and again as many when run again', async () => {
    for (const expected of [12_345, 24_690]) {
      const args = ['keys', 'generate', '--keys-db', 'keys-db-2', '--count', '12_345', '--json'];
      const { exitCode, stdout, stderr } = await runKeymill(args, cluster.env);
      expect(exitCode).to.equal(0);
      const { generated } = JSON.parse(stdout) as { generated: { keysDb: string; added: number }[] };
      expect(generated.map(({ keysDb, added }) => [keysDb, added])).to.deep.equal([['keys-db-2', 12_345]]);
      expect(stderr).to.include('keys-db-2: 12,345 of 12,345 keys');
      expect((await cluster.keysDbs[1]?.counts())?.unused).to.equal(expected);
    }
  });

  it('adds keys to every keys-db with --keys-db all', async () => {
    const { stdout } = await runKeymill(
      ['keys', 'generate', '--keys-db', 'all', '--count', '100'],
      cluster.env,
    );
    expect(stdout).to.match(/^keys-db-1: 100 keys added .*\nkeys-db-2: 100 keys added .*\n$/);
  });

  it('refuses wrong options, exit code 2', async () => {
    for (const args of [
      ['--count', '5'],
      ['--keys-db', 'keys-db-9', '--count', '5'],
      ['--keys-db', 'all', '--count', '0'],
      ['--keys-db', 'all', '--count', '1.5'],
      ['--keys-db', 'all', '--count', 'many'],
      ['--keys-db', 'all'],
    ]) {
      const { exitCode, stdout, stderr } = await runKeymill(['keys', 'generate', ...args], cluster.env);
      expect({ exitCode, stdout }, args.join(' ')).to.deep.equal({ exitCode: 2, stdout: '' });
      expect(stderr).not.to.equal('');
    }
  });

  it('refuses a wrong secret before it writes anything, and does not print it', async () => {
    const secret = 'quite another secret';
    const env = { ...cluster.env, KEYMILL_KEY_SECRET: secret };
    const { exitCode, stderr } = await runKeymill(
      ['keys', 'generate', '--keys-db', 'all', '--count', '5'],
      env,
    );
    expect(exitCode).to.equal(2);
    expect(stderr)
      .to.include('keys-db-1')
      .and.include('another secret than KEYMILL_KEY_SECRET')
      .and.not.include(secret);
  });

  it('names an unreachable keys-db without a stack trace, exit code 2', async () => {
    const env = { ...cluster.env, KEYMILL_KEYS_DBS: 'keys-db-1=mysql://u:hidden@127.0.0.1:1/none' };
    const { exitCode, stderr } = await runKeymill(
      ['keys', 'generate', '--keys-db', 'all', '--count', '5'],
      env,
    );
    expect(exitCode).to.equal(2);
    expect(stderr).to.include('keys-db-1').and.not.include('hidden');
  });
});

describe('keymill where', () => {
  it('follows a key through its life', async () => {
    await using cluster = await openTestCluster();
    const { env, keysDbs, pools, urlsDb, clicksDb } = cluster;
    const [keysDb] = keysDbs;
    const [pool] = pools;
    if (!keysDb || !pool) throw new Error('the cluster is incomplete');
    await keysDb.generate({ count: 100 });
    const epoch = await keysDb.raiseEpoch({ czxid: 1n, ensemble: 'test', owner: 'producer-1' });
    if (epoch === undefined) throw new Error('the epoch was not raised');
    const rows = await keysDb.keysOf({ id: 0, kind: 'range', firstId: 5, lastId: 5, epoch, parts: [] });
    const key = rows[0]?.key ?? '';
    const where = async (name: string, variables = env): Promise<Where> =>
      JSON.parse((await runKeymill(['where', '--json', '--', name], variables)).stdout) as Where;

    expect(await where(key)).to.include({ life: 'unused', place: 'keys-db-1', keysDb: 'keys-db-1', id: 5 });
    const batch = await keysDb.claim({ epoch, count: 10, parts: [{ pool: 'redis-1', seq: 1 }] });
    if (!batch) throw new Error('nothing was claimed');
    expect(await where(key)).to.include({ life: 'pending', place: 'redis-1' });
    const keys = (await keysDb.keysOf(batch)).map((row) => row.key);
    await pool.deliver({ keysDb: 'keys-db-1', epoch, seq: 1, keys });
    expect(await where(key)).to.include({ life: 'pooled', place: 'redis-1' });
    await keysDb.markDelivered(batch, [0]);
    await pool.take(100);
    expect(await where(key)).to.include({ life: 'missing', place: null });
    const silent = { ...env, KEYMILL_REDIS: `${env['KEYMILL_REDIS']},redis-3=redis://127.0.0.1:1` };
    expect(await where(key, silent)).to.deep.include({ life: 'unknown', unreachable: ['redis-3'] });
    const dead = { ...env, KEYMILL_KEYS_DBS: 'keys-db-1=mysql://u:x@127.0.0.1:1/none' };
    expect(await where(key, dead)).to.deep.include({
      life: 'unknown',
      keysDb: 'keys-db-1',
      id: 5,
      unreachable: ['keys-db-1'],
    });
    await runKeymill(['urls', 'restored', 'urls-1'], env);
    expect(await where(key)).to.include({ life: 'written off', place: null, id: 5 });
    const link = { userId: null, createdAt: new Date(), expiresAt: null, requestId: '00'.repeat(16) };
    await urlsDb.insert([{ ...link, key, slot: slotOf(key), longUrl: 'https://example.com/' }]);
    const bound = await where(`http://127.0.0.1:8080/${key}`);
    expect(bound).to.include({ key, life: 'bound', place: 'urls-1', id: 5, clicks: 0 });
    expect(bound.link?.originalUrl).to.equal('https://example.com/');
    const hours = [20, 21].map((humans, day) => ({ hour: 500_000 + 24 * day, humans, bots: 0 }));
    const links = [{ key, hours, values: [], visitors: [] }];
    await clicksDb.add({ source: 'mapper-1/x', seq: 1, links });
    expect(await where(key)).to.include({ clicks: 41 });
    const { stdout } = await runKeymill(['where', '--', key], env);
    expect(stdout)
      .to.include('https://example.com/')
      .and.match(/^clicks +41$/m);
  });

  it('accepts a link as it is typed or pasted, with the text around it', async () => {
    await using cluster = await openTestCluster();
    const link = { userId: null, createdAt: new Date(), expiresAt: null, requestId: '00'.repeat(16) };
    const longUrl = 'https://example.com/a';
    await cluster.urlsDb.insert([{ ...link, key: 'my-alias', slot: slotOf('my-alias'), longUrl }]);
    for (const given of [
      'https://go.example/my-alias',
      'https://go.example/my-alias/',
      'https://go.example/my-alias).',
      '"http://127.0.0.1:8080/my-alias?utm=1#x",',
      'go.example/my-alias%E2%80%8B',
      'localhost:8080/my-alias\u200b',
      ' my-alias, ',
      'https://go.example/my-alias+',
      'my-alias+).',
    ]) {
      const { stdout } = await runKeymill(['where', '--json', given], cluster.env);
      expect(JSON.parse(stdout), given).to.include({ key: 'my-alias', life: 'bound' });
    }
  });

  it('finds the code of another shortener in any spelling', async () => {
    await using cluster = await openTestCluster();
    const link = { userId: null, createdAt: new Date(), expiresAt: null };
    const codes = ['team/plan', 'b%C3%BCcher', '1'];
    for (const [index, key] of codes.entries()) {
      const row = { ...link, key, slot: slotOf(key), requestId: `0${index}`.repeat(16) };
      await cluster.urlsDb.insert([{ ...row, longUrl: 'https://example.com/a' }]);
    }
    for (const [given, key] of [
      ['team/plan', 'team/plan'],
      ['https://go.example/team%2Fplan?utm=1', 'team/plan'],
      ['go.example/team/plan+', 'team/plan'],
      ['localhost:8080/bücher', 'b%C3%BCcher'],
      ['b%c3%bccher', 'b%C3%BCcher'],
      ['1', '1'],
    ] as const) {
      const { stdout } = await runKeymill(['where', '--json', given], cluster.env);
      expect(JSON.parse(stdout), given).to.include({ key, life: 'bound', keysDb: null });
    }
  });

  it('finds a key in a pool of 115,000 keys, every time', async () => {
    await using cluster = await openTestCluster();
    const [pool] = cluster.pools;
    const keys = Array.from({ length: 115_000 }, (_, i) => `K${i}`.padEnd(8, 'x'));
    for (let at = 0; at < keys.length; at += 5_000) await pool?.putBack(keys.slice(at, at + 5_000));
    for (const key of [keys[0], keys[60_000], keys.at(-1)]) {
      const { stdout } = await runKeymill(['where', '--json', key ?? ''], cluster.env);
      expect(JSON.parse(stdout)).to.deep.include({ life: 'pooled', place: 'redis-1', unreachable: [] });
    }
  });

  it('finds no origin for an alias, calls an unknown key never issued, and refuses nonsense', async () => {
    await using cluster = await openTestCluster();
    const link = { userId: null, createdAt: new Date(), expiresAt: null, requestId: '00'.repeat(16) };
    await cluster.urlsDb.insert([
      { ...link, key: 'my-alias', slot: slotOf('my-alias'), longUrl: 'https://example.com/a' },
    ]);
    await cluster.urlsDb.insert([
      { ...link, key: '-ab', slot: slotOf('-ab'), longUrl: 'https://example.com/b' },
    ]);
    const json = async (...args: string[]): Promise<Where> =>
      JSON.parse((await runKeymill(['where', ...args], cluster.env)).stdout) as Where;
    expect(await json('my-alias', '--json')).to.include({ life: 'bound', keysDb: null, id: null });
    expect(await json('-ab', '--json')).to.include({ life: 'bound', key: '-ab' });
    expect(await json('no-such-thing', '--json')).to.include({ life: 'never issued', place: null });
    for (const nonsense of ['a.', 'urls/a', 'a//b', '%00', 'x'.repeat(256)]) {
      expect((await runKeymill(['where', nonsense], cluster.env)).exitCode, nonsense).to.equal(2);
    }
  });
});
