import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { slotOf } from '../../db/keyspace/placement.ts';
import { migrate } from '../../db/mysql/migrate.ts';
import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { openUrlsDb, type UrlsDb } from '../../db/urls/links.ts';
import { askAdmin } from '../../runtime/admin-client.ts';
import { ALL_SLOTS, formatSlots } from '../../runtime/config/slots.ts';
import { ADMIN_TOKEN } from '../admin-token.ts';
import { testDatabase } from '../servers.ts';
import { until } from '../until.ts';
import { log, testCluster, untilFilled, type Cluster, type Producer } from './cluster.ts';

const QUARANTINE_MS = 1_000;

interface Recycled {
  readonly recycled: number;
  readonly missing: number;
  readonly unreachable: readonly string[];
}

describe('keys whose links were lost', function () {
  this.timeout(60_000);
  let cluster: Cluster;
  let urlsDb: UrlsDb;
  let sql: Mysql;
  let producer: Producer;

  before(async () => {
    const url = await testDatabase('urls-1');
    await migrate(url, 'urls', log);
    urlsDb = openUrlsDb({ name: 'urls-1', url, slots: ALL_SLOTS, log });
    sql = openMysql(url, { name: 'test' });
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
    await Promise.all([urlsDb.close(), sql.close()]);
    await cluster[Symbol.asyncDispose]();
  });

  async function admin(): Promise<string> {
    return (await cluster.members()).get('producer-1')?.admin ?? '';
  }

  async function recycle(): Promise<Recycled> {
    const options = { body: {}, timeoutMs: 20_000 };
    return (await askAdmin(
      { url: await admin(), token: ADMIN_TOKEN },
      'POST',
      '/recycle',
      options,
    )) as Recycled;
  }

  async function take(count: number): Promise<string[]> {
    const taken = await Promise.all(cluster.pools.map(async (pool) => (await pool.take(count)).keys));
    return taken.flat();
  }

  async function bind(keys: readonly string[]): Promise<void> {
    const row = { longUrl: 'https://a.example/', userId: null, createdAt: new Date(), expiresAt: null };
    const requestId = (): string => randomBytes(16).toString('hex');
    await urlsDb.insert(keys.map((key) => ({ ...row, key, slot: slotOf(key), requestId: requestId() })));
  }

  /** Takes keys and loses them, and waits until these are recycled: everything missing longer is as well. */
  async function untilLeakedKeysAreRecycled(): Promise<void> {
    const leaked = new Set(await take(5));
    // Makes room in the pools for recycled keys.
    await bind(await take(150));
    await until('the leaked keys to be back', async () => {
      await recycle();
      const pooled = await cluster.pooled();
      return pooled.filter((key) => leaked.has(key)).length === leaked.size;
    });
  }

  async function untilRecycledExcept(published: readonly string[]): Promise<void> {
    await untilLeakedKeysAreRecycled();
    const pooled = new Set(await cluster.pooled());
    expect(published.filter((key) => pooled.has(key))).to.deep.equal([]);
  }

  /** The beat of the urls server that the keys-db has kept. */
  async function keptBeat(): Promise<number> {
    return (await cluster.keysDbs[0]?.keptMarks())?.get('urls-1')?.beat ?? 0;
  }

  async function alarm(): Promise<string | undefined> {
    const page = await (await fetch(`${await admin()}/metrics`)).text();
    return /^keymill_urls_gone_back\{.*\} (\d)$/m.exec(page)?.[1];
  }

  it('are never recycled after their rows were deleted', async () => {
    const published = await take(20);
    await bind(published);
    await recycle();
    await sql.execute('DELETE FROM urls WHERE unique_id IN (?)', [published]);
    await untilRecycledExcept(published);
  });

  it('stay where they are while a urls server has an impossible mark, and the producer says why', async () => {
    await until('a mark', async () => keptBeat());
    await sql.execute('UPDATE marks SET beat = 18446744073709551615');
    await until('the search to stop', async () => (await recycle()).unreachable.includes('urls-1'));
    const ready = (await (await fetch(`${await admin()}/readyz`)).json()) as {
      recyclingBlocked: Record<string, string>;
    };
    expect(ready.recyclingBlocked['urls-1']).to.include('impossible value: beat of keys-db-1 in marks');
    const page = await (await fetch(`${await admin()}/metrics`)).text();
    expect(page).to.include('keymill_recycling_blocked{by="urls-1"} 1');
    await sql.execute('UPDATE marks SET beat = ?', [await keptBeat()]);
    await until('the search to go on', async () => (await recycle()).unreachable.length === 0);
    expect(await alarm()).to.equal('0');
  });

  it('are never recycled after their urls server was put back to an older copy', async () => {
    const copiedAt = await until('a mark', async () => keptBeat());
    for (const table of ['urls', 'marks', 'server']) {
      await sql.execute(`CREATE TABLE old_${table} LIKE ${table}`);
      await sql.execute(`INSERT INTO old_${table} SELECT * FROM ${table}`);
    }
    const published = await take(20);
    await bind(published);
    // No search sees these links: only the mark shows that they were lost.
    await until('a later mark', async () => (await keptBeat()) > copiedAt);
    expect(await alarm()).to.equal('0');
    await sql.execute(
      'RENAME TABLE urls TO newer_urls, old_urls TO urls, marks TO newer_marks, old_marks TO marks, ' +
        'server TO newer_server, old_server TO server',
    );
    // Not even in quarantine, although they are found nowhere.
    expect(await recycle()).to.deep.equal({ recycled: 0, missing: 0, unreachable: [] });
    expect(await cluster.keysDbs[0]?.suspects()).to.deep.equal([]);
    const goneBack = (): Producer['lines'] =>
      producer.lines.filter(({ msg }) => msg.startsWith('a urls server has gone back'));
    await until('the log line', () => goneBack().length > 0);
    expect(goneBack()).to.have.length(1);
    expect(goneBack()[0]).to.include({ level: 'error', urlsDb: 'urls-1', keysDb: 'keys-db-1' });
    expect(await alarm()).to.equal('1');
  });
});
