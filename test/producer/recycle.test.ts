import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { mapperPath } from '../../coordinator/paths.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import { migrate } from '../../db/mysql/migrate.ts';
import { openUrlsDb, type UrlsDb } from '../../db/urls/links.ts';
import { Recycler } from '../../producer/reign/recycle.ts';
import { readReserves } from '../../producer/session/reserves.ts';
import { askAdmin } from '../../runtime/admin-client.ts';
import { startAdmin } from '../../runtime/admin.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { ALL_SLOTS, formatSlots } from '../../runtime/config/slots.ts';
import { createMetrics } from '../../runtime/metrics.ts';
import { AT_ONCE } from '../../runtime/pace.ts';
import { pause } from '../../runtime/retry.ts';
import { ADMIN_TOKEN } from '../admin-token.ts';
import { runKeymill } from '../operator/run-keymill.ts';
import { testDatabase } from '../servers.ts';
import { until } from '../until.ts';
import { log, testCluster, untilFilled, untilLogged, type Cluster, type Producer } from './cluster.ts';

const QUARANTINE_MS = 1_000;

describe('a search for leaked keys', () => {
  it('counts its shard as unreachable if its reign ends meanwhile', async () => {
    const reign = new AbortController();
    const recycler = new Recycler({
      shard: 'keys-db-1',
      search: {
        run: async (signal) =>
          new Promise((_, reject) => {
            signal?.addEventListener('abort', () => reject(new Error('the reign is over')));
          }),
      },
      queue: { offer: async () => true },
      log,
      onRecycled: () => undefined,
      signal: reign.signal,
    });
    const result = recycler.recycle();
    // The search begins in the next turn of the event loop.
    setImmediate(() => reign.abort());
    expect(await result).to.deep.equal({ recycled: 0, missing: 0, unreachable: ['keys-db-1'] });
  });

  it('rests between its pieces until an operator asks for a search', async () => {
    const reign = new AbortController();
    const searches: { ms: number }[] = [];
    const recycler = new Recycler({
      shard: 'keys-db-1',
      search: {
        run: async (_, pace) => {
          const startedMs = monotonicMs();
          const search = { ms: Number.NaN };
          searches.push(search);
          for (let piece = 0; piece < 20; piece += 1) await (pace ?? AT_ONCE).piece(async () => pause(20));
          search.ms = monotonicMs() - startedMs;
          return { isComplete: true, unreachable: [], missing: 0, due: [], version: 0 };
        },
      },
      queue: { offer: async () => true },
      log,
      onRecycled: () => undefined,
      everyMs: 10,
      signal: reign.signal,
    });
    const running = recycler.run();
    try {
      await until('a regular search', () => (searches[0]?.ms ?? 0) > 0);
      expect(searches[0]?.ms).to.be.at.least(19 * (20 + 80) * 0.9);
      await until('the next one', () => searches.length === 2);
      await recycler.recycle();
      expect(searches[1]?.ms, 'the one in flight').to.be.lessThan(1_400);
      expect(searches[2]?.ms, 'the one asked for').to.be.lessThan(1_400);
    } finally {
      reign.abort();
      await running;
    }
  });
});

describe('recycling of leaked keys', function () {
  this.timeout(60_000);
  let cluster: Cluster;
  let producer: Producer;
  let urlsDb: UrlsDb;

  before(async () => {
    const url = await testDatabase('urls-1');
    await migrate(url, 'urls', log);
    urlsDb = openUrlsDb({ name: 'urls-1', url, slots: ALL_SLOTS, log });
    cluster = await testCluster({
      env: {
        KEYMILL_URLS_DBS: `urls-1:${formatSlots(ALL_SLOTS)}=${url}`,
        KEYMILL_QUARANTINE_MS: String(QUARANTINE_MS),
      },
    });
    producer = cluster.start('producer-1');
    await untilFilled(cluster);
    await until('the pools to be full', async () => (await cluster.pooled()).length >= 1_900);
  });

  after(async () => {
    await urlsDb.close();
    await cluster[Symbol.asyncDispose]();
  });

  async function recycle(): Promise<unknown> {
    const url = (await cluster.members()).get('producer-1')?.admin ?? '';
    return askAdmin({ url, token: ADMIN_TOKEN }, 'POST', '/recycle', { body: {}, timeoutMs: 20_000 });
  }

  async function take(count: number, pool = 0): Promise<string[]> {
    return (await cluster.pools[pool]?.take(count))?.keys ?? [];
  }

  async function bind(keys: readonly string[]): Promise<void> {
    const row = { longUrl: 'https://a.example/', userId: null, createdAt: new Date(), expiresAt: null };
    const requestId = (): string => randomBytes(16).toString('hex');
    await urlsDb.insert(keys.map((key) => ({ ...row, key, slot: slotOf(key), requestId: requestId() })));
  }

  it('recycles keys found nowhere for longer than the quarantine, and no bound key', async () => {
    const lost = await take(7);
    // Enough to give both pools room for the recycled keys.
    const bound = [...(await take(200)), ...(await take(200, 1))];
    await bind(bound);
    expect(await recycle()).to.deep.equal({ recycled: 0, missing: 7, unreachable: [] });
    const pooled = await until('the quarantine to pass and the keys to be back', async () => {
      await recycle();
      const keys = await cluster.pooled();
      return lost.every((key) => keys.includes(key)) && keys;
    });
    expect(new Set(pooled).size).to.equal(pooled.length);
    expect(pooled.filter((key) => bound.includes(key))).to.deep.equal([]);
    expect(await recycle()).to.deep.equal({ recycled: 0, missing: 0, unreachable: [] });
  });

  it('puts no recycled key into a full pool before it has room', async () => {
    const pooled = async (): Promise<number> => (await cluster.pooled()).length;
    const lost = await take(700);
    await until('the pool to be full again', async () => ((await cluster.pools[0]?.level()) ?? 0) >= 950);
    expect(await recycle()).to.deep.include({ missing: 700, unreachable: [] });
    // The holder's own search may be first.
    await until('the quarantine to pass', async () => {
      const { missing, unreachable } = (await recycle()) as { missing: number; unreachable: string[] };
      return missing + unreachable.length === 0;
    });
    const back = async (): Promise<number> => {
      const keys = new Set(await cluster.pooled());
      return lost.filter((key) => keys.has(key)).length;
    };
    // They are in hand now, and are delivered before unused keys when a pool needs some.
    const drawn: string[] = [];
    await until('the keys to be back', async () => {
      // Holders that fill together may pass the mark a little. 700 keys too many would show.
      expect(await pooled()).to.be.lessThan(2_000 + 300);
      drawn.push(...(await take(50)), ...(await take(50, 1)));
      return (await back()) + drawn.filter((key) => lost.includes(key)).length === 700;
    });
    await bind(drawn);
  });

  it('says why a mapper did not tell its keys', async () => {
    const options = { host: '127.0.0.1', port: 0, names: [], metrics: createMetrics(), log };
    const reserve = {
      ready: () => ({ ok: true }),
      routes: { 'GET /reserve': async () => ({ keys: ['k'] }) },
    };
    await using open = await startAdmin({ ...options, ...reserve, token: ADMIN_TOKEN });
    await using other = await startAdmin({ ...options, ...reserve, token: 'the-token-of-another-cluster' });
    await using without = await startAdmin({ ...options, ...reserve, token: undefined });
    const gone = await startAdmin({ ...options, ...reserve, token: ADMIN_TOKEN });
    await gone[Symbol.asyncDispose]();
    const { session } = cluster;
    await session.ensurePath('/mappers');
    const urls = [open.url, other.url, without.url, gone.url];
    const ids = urls.map((_, index) => `mapper-${index + 1}`);
    for (const [index, id] of ids.entries())
      await session.create(mapperPath(id), JSON.stringify({ id, admin: urls[index] }), { ephemeral: true });
    const answers = new Map(
      (await readReserves(session, ADMIN_TOKEN)).map((answer) => [answer.mapper, answer]),
    );
    for (const id of ids) await session.remove(mapperPath(id), -1);
    expect(answers.get('mapper-1')?.keys).to.deep.equal(['k']);
    expect(answers.get('mapper-2')?.reason).to.include('wrong token');
    expect(answers.get('mapper-3')?.reason).to.include('KEYMILL_ADMIN_TOKEN is not set');
    expect(answers.get('mapper-4')?.reason).to.include('ECONNREFUSED');
  });

  it('counts no key as missing while a mapper does not answer', async () => {
    await cluster.session.ensurePath('/mappers');
    const silent = { id: 'mapper-1', url: 'http://127.0.0.1:9', admin: 'http://127.0.0.1:9' };
    await cluster.session.create(mapperPath('mapper-1'), JSON.stringify(silent), { ephemeral: true });
    await take(3);
    expect(await recycle()).to.deep.equal({ recycled: 0, missing: 0, unreachable: ['mapper-1'] });
    await cluster.session.remove(mapperPath('mapper-1'), -1);
    expect(await recycle()).to.deep.equal({ recycled: 0, missing: 3, unreachable: [] });
  });

  it('names what stops the recycling, once for each change, until it is forgotten', async () => {
    const { env, session } = cluster;
    const readyz = async (): Promise<{ recyclingBlocked: Record<string, string> }> => {
      const response = await fetch(`${(await cluster.members()).get('producer-1')?.admin}/readyz`);
      return (await response.json()) as Awaited<ReturnType<typeof readyz>>;
    };
    const metrics = async (): Promise<string> =>
      (await fetch(`${(await cluster.members()).get('producer-1')?.admin}/metrics`)).text();
    const logged = (beginning: string): number =>
      producer.lines.filter(({ msg }) => msg.startsWith(beginning)).length;
    // That of the test before has ended.
    await untilLogged(producer, 'leaked keys can be recycled again');
    const warnings = logged('leaked keys are not recycled');
    const ends = logged('leaked keys can be recycled again');

    await session.create(mapperPath('squatter'), 'not ours', { ephemeral: false });
    await session.create(`${mapperPath('squatter')}/child`, '', { ephemeral: false });
    for (let time = 0; time < 2; time += 1)
      expect(await recycle()).to.deep.include({ missing: 0, unreachable: ['squatter'] });
    expect((await readyz()).recyclingBlocked['squatter']).to.include('is foreign');
    expect(await metrics()).to.include('recycling_blocked{by="squatter"} 1');
    await until('a warning', () => logged('leaked keys are not recycled') > warnings);
    expect(logged('leaked keys are not recycled') - warnings, 'one line for one change').to.equal(1);
    await until('status to show it', async () => {
      const { stdout } = await runKeymill(['status', '--json'], env);
      const { recyclingBlocked } = JSON.parse(stdout) as { recyclingBlocked: { by: string; why: string }[] };
      return recyclingBlocked.some(({ by, why }) => by === 'squatter' && why.includes('is foreign'));
    });
    expect((await runKeymill(['status'], env)).stdout).to.match(/squatter +no leaked key is recycled/);

    expect(await runKeymill(['mappers', 'forget', 'squatter'], env)).to.include({ exitCode: 0 });
    expect(await recycle()).to.deep.include({ unreachable: [] });
    await until('the end', () => logged('leaked keys can be recycled again') > ends);
    expect((await readyz()).recyclingBlocked).to.deep.equal({});
    expect(await metrics()).not.to.include('recycling_blocked{');
  });
});
