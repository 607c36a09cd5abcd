import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { createConnection } from 'mysql2/promise';
import {
  FULL_DAY,
  KEPT_OF_DAY,
  KEPT_OF_TODAY,
  openOrphansDb,
  pruneOrphans,
} from '../../../db/clicks/orphans-db.ts';
import { openMysql } from '../../../db/mysql/mysql.ts';
import { emptyUrlsDatabase } from '../../db/urls-fixture.ts';
import { beforeEnd } from '../../before-end.ts';
import { withinOneDay } from '../../one-day.ts';
import { until } from '../../until.ts';
import { ApiClient } from '../api/api-client.ts';
import { useApi } from '../api/use-api.ts';
import { expectProblem, send } from '../client.ts';
import { viaProxy } from '../faulty.ts';
import { randomKeys } from '../world.ts';

const TODAY = (): string => new Date().toISOString().slice(0, 10);

describe('orphans', () => {
  withinOneDay(60);
  const fixture = useApi();
  const { api } = fixture;
  let admin: string;

  before(async () => {
    const { people } = fixture;
    admin = await people.session(await people.person({ isAdmin: true }));
  });

  async function list(query = 'limit=1000'): Promise<{ unique_id: string; state: string; asked: number }[]> {
    const answer = await api.call('GET', `/admin/orphans?${query}`, { cookie: admin });
    expect(answer.status, answer.text).to.equal(200);
    return answer.json()['items'] as [];
  }

  async function untilListed(key: string, asked: number): Promise<void> {
    await until(`${asked} requests for ${key}`, async () =>
      (await list()).some((one) => one.unique_id === key && one.asked >= asked),
    );
  }

  it('are the unknown and expired keys that people ask for, at all mappers, by how often', async () => {
    const { world, mapper, people, makeLink } = fixture;
    const slow = await world.start({ hasFastPaths: false });
    const [unknown = '', rare = '', never = ''] = randomKeys(3);
    const cookie = await people.session(await people.person());
    const { result: expired } = await beforeEnd(1_500, async (end) =>
      makeLink(cookie, { expiration_date: end.toISOString() }),
    );
    await until('expiry', async () => (await send('HEAD', `${mapper.url}/${expired}`)).status === 410);
    for (const { url } of [mapper, slow]) {
      for (let time = 0; time < 3; time += 1) await send('GET', `${url}/${unknown}?q=${time}`);
      await send('GET', `${url}/${expired}`, { headers: { accept: 'text/html' } });
      await send('GET', `${url}/${expired}`);
      await send('HEAD', `${url}/${never}`);
      await send('GET', `${url}/${never}`, { headers: { 'sec-purpose': 'prefetch' } });
      await send('GET', `${url}/${never}+x/y`);
      await send('GET', `${url}/wp-login.php`);
    }
    await send('GET', `${mapper.url}/${rare}`);
    await untilListed(unknown, 6);
    await untilListed(expired, 4);
    await untilListed(rare, 1);
    expect(await list()).to.deep.equal([
      { unique_id: unknown, state: 'unknown', asked: 6 },
      { unique_id: expired, state: 'expired', asked: 4 },
      { unique_id: rare, state: 'unknown', asked: 1 },
    ]);
    expect((await list('state=expired')).map((one) => one.unique_id)).to.deep.equal([expired]);
    expect((await list(`limit=1&day=${TODAY()}`)).map((one) => one.unique_id)).to.deep.equal([unknown]);
    expect(await list('day=2026-01-01')).to.deep.equal([]);
  });

  for (const [query, field, reason] of [
    ['day=2026-02-30', 'day', 'must be a day, such as 2026-11-28'],
    ['day=today', 'day', 'must be a day, such as 2026-11-28'],
    ['state=deleted', 'state', 'must be one of unknown, expired'],
    ['limit=0', 'limit', 'must be a whole number from 1 to 1000'],
    ['limit=1001', 'limit', 'must be a whole number from 1 to 1000'],
  ] as const)
    it(`?${query} is refused`, async () => {
      const answer = await api.call('GET', `/admin/orphans?${query}`, { cookie: admin });
      expectProblem(answer, 422);
      expect(answer.json()['errors']).to.deep.equal([{ field, reason }]);
    });

  it('are stored once when answers are lost, and all of them when the mapper stops', async function () {
    this.timeout(60_000);
    const { world } = fixture;
    const urlsDbs = await Promise.all(world.urls.map(async (server) => viaProxy(server)));
    const mapper = await world.start({ stores: { urlsDbs }, clicks: { counted: true, flushMs: 20 } });
    const keys = randomKeys(6);
    let lost = 0;
    for (let round = 1; round <= 10; round += 1) {
      for (const { proxy } of urlsDbs) proxy.cutBeforeReplyTo((sent) => isFlush(sent) && ++lost > 0);
      await Promise.all(keys.map(async (key) => send('GET', `${mapper.url}/${key}`)));
      await until('an answer that is lost', () => lost >= round);
    }
    for (const { proxy } of urlsDbs) proxy.heal();
    await until(
      'healthy servers',
      async () => (await send('GET', `${mapper.url}/${keys[0]}`)).status === 404,
    );
    await mapper.terminate();
    for (const { proxy } of urlsDbs) await proxy.stop();
    const asked = new Map((await list()).map((one) => [one.unique_id, one.asked]));
    for (const key of keys.slice(1)) expect(asked.get(key), key).to.equal(10);
  });

  it('503 that names a urls server which is away, and never a shorter list', async () => {
    const { world } = fixture;
    const [first, second] = world.urls;
    const away = { ...(second ?? expect.fail()), url: 'mysql://root@127.0.0.1:1/none' };
    const mapper = await world.start({ stores: { urlsDbs: [first ?? expect.fail(), away] } });
    const client = new ApiClient(() => mapper.url, api.document);
    const answer = await client.call('GET', '/admin/orphans', { cookie: admin });
    expectProblem(answer, 503);
    expect(answer.json()['detail']).to.equal('urls-2 cannot be reached just now.');
    await mapper.terminate();
  });
});

describe('orphans in a urls database', () => {
  withinOneDay();

  it('of a day the most asked are kept, for 90 days, however often it is pruned', async () => {
    const url = await emptyUrlsDatabase();
    const db = openMysql(url, { name: 'urls-1' });
    const sql = await createConnection(url);
    const fill = async (daysAgo: number, count: number): Promise<void> => {
      const rows = Array.from({ length: count }, (_, at) => [`key-${at}`, at]);
      await sql.query(
        `INSERT INTO orphans (day, unique_id, state, asked)
         VALUES ${rows.map(([key, asked]) => `(UTC_DATE() - INTERVAL ${daysAgo} DAY, '${key}', 'unknown', ${asked})`).join(',')}`,
      );
    };
    await fill(0, KEPT_OF_TODAY + 30);
    await fill(2, KEPT_OF_DAY + 700);
    await fill(89, 3);
    await fill(91, 3);
    let position: string | undefined;
    do position = await pruneOrphans(db, position, 500);
    while (position !== undefined);
    const [rows] = await sql.query({
      sql: 'SELECT COUNT(*), MIN(asked) FROM orphans GROUP BY day ORDER BY day',
      rowsAsArray: true,
    });
    expect(rows).to.deep.equal([
      [3, 0],
      [KEPT_OF_DAY, 700],
      [KEPT_OF_TODAY, 30],
    ]);
    await sql.end();
    await db.close();
  });

  it('of a day that is full, a key that was asked for once has no new row, and all others are counted', async () => {
    const url = await emptyUrlsDatabase();
    const db = openOrphansDb({ name: 'urls-1', url });
    const sql = await createConnection(url);
    const rows = Array.from({ length: FULL_DAY }, (_, at) => `(UTC_DATE(), 'made-up-${at}', 'unknown', 1)`);
    await sql.query(`INSERT INTO orphans (day, unique_id, state, asked) VALUES ${rows.join(',')}`);
    const asked = [
      ['made-up-7', 1],
      ['another', 1],
      ['often', 2],
    ] as const;
    const flush = { source: 'test', seq: 1, day: TODAY() };
    await db.add({ ...flush, rows: asked.map(([key, times]) => ({ key, state: 'unknown', asked: times })) });
    const [found] = await sql.query({
      sql: "SELECT unique_id, asked FROM orphans WHERE asked > 1 OR unique_id = 'another' ORDER BY unique_id",
      rowsAsArray: true,
    });
    expect(found).to.deep.equal([
      ['made-up-7', 2],
      ['often', 2],
    ]);
    await sql.end();
    await db.close();
  });

  it('a flush that is repeated, or comes after its successor, is not added again', async () => {
    const url = await emptyUrlsDatabase();
    const db = openOrphansDb({ name: 'urls-1', url });
    const source = randomBytes(8).toString('hex');
    const flush = (seq: number) => ({
      source,
      seq,
      day: TODAY(),
      rows: [
        { key: 'b', state: 'unknown' as const, asked: 2 },
        { key: `B'"\\%`, state: 'unknown' as const, asked: 1 },
      ],
    });
    expect(await db.add(flush(1))).to.equal('added');
    expect(await db.add(flush(1))).to.equal('repeated');
    expect(await db.add(flush(2))).to.equal('added');
    expect(await db.add(flush(1))).to.equal('repeated');
    expect(await db.top(TODAY(), ['unknown', 'expired'], 10)).to.deep.equal([
      { key: 'b', state: 'unknown', asked: 4 },
      { key: `B'"\\%`, state: 'unknown', asked: 2 },
    ]);
    await db.close();
  });
});

/** A flush of orphans in MySQL's text protocol. */
function isFlush(sent: Buffer): boolean {
  return sent[4] === 3 && sent.includes('INSERT INTO orphans');
}
