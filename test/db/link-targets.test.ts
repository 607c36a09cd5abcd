import { expect } from 'chai';
import { slotOf } from '../../db/keyspace/placement.ts';
import type { SqlValue } from '../../db/mysql/driver.ts';
import { SELECT_TARGET, whereKeys, type TargetReader } from '../../db/urls/link-targets.ts';
import type { LinkRow, LinkTarget } from '../../db/urls/link.ts';
import type { UrlsDb } from '../../db/urls/links.ts';
import { emptyUrlsDatabase, linkRow, OpenUrlsDbs, randomKey, withSql } from './urls-fixture.ts';

async function readWith(reader: TargetReader, ...keys: string[]): Promise<readonly LinkTarget[]> {
  const all: LinkTarget[] = [];
  return new Promise((resolve, reject) => {
    reader.read(keys, 1_000, (error, targets, awaited) => {
      all.push(...targets);
      if (error !== undefined) reject(error);
      else if (awaited.length === 0) resolve(all);
    });
  });
}

describe('a reader of targets', () => {
  const dbs = new OpenUrlsDbs();
  let url: string;
  let db: UrlsDb;

  before(async () => {
    url = await emptyUrlsDatabase();
    db = dbs.open(url);
  });

  after(async () => {
    await dbs.closeAll();
  });

  it('reads the same of a link, by itself or among others', async () => {
    const lasting = linkRow(randomKey(), { longUrl: `https://example.com/?q='"\\;--%00` });
    const expiring = linkRow(randomKey(), { expiresAt: new Date('2031-01-01T00:00:00.001Z') });
    const buried = linkRow(randomKey());
    await db.insert([lasting, expiring, buried]);
    await withSql(url, async (sql) =>
      sql.execute('UPDATE urls SET deleted_at = NOW(3) WHERE unique_id = ?', [buried.key]),
    );
    const reader = db.createTargetReader();
    const read = async (...keys: string[]): Promise<readonly LinkTarget[]> => readWith(reader, ...keys);
    const expected: LinkTarget[] = [
      { key: lasting.key, longUrl: lasting.longUrl, expiresAt: null },
      { key: expiring.key, longUrl: expiring.longUrl, expiresAt: expiring.expiresAt },
      { key: buried.key, longUrl: null, expiresAt: null },
    ];
    for (const target of expected) expect(await read(target.key)).to.deep.equal([target]);
    expect(await read(randomKey())).to.deep.equal([]);
    const all = await read(randomKey(), ...expected.map(({ key }) => key));
    expect(all).to.have.deep.members(expected);
  });

  it('reads targets of any length, and dates with and without a time', async () => {
    const reader = db.createTargetReader();
    for (const [length, expiry] of [
      [250, '2031-02-03T00:00:00.000Z'],
      [251, '2031-02-03T04:05:06.000Z'],
      [65_535, '2031-02-03T04:05:06.789Z'],
    ] as const) {
      const longUrl = 'https://example.com/'.padEnd(length, 'x');
      const row = linkRow(randomKey(), { longUrl, expiresAt: new Date(expiry) });
      await db.insert([row]);
      expect(await readWith(reader, row.key)).to.deep.equal([
        { key: row.key, longUrl, expiresAt: row.expiresAt },
      ]);
    }
  });

  it('reads the rules of links that have some, by itself or among others', async () => {
    const [plain, ruled, newer] = [linkRow(randomKey()), linkRow(randomKey()), linkRow(randomKey())];
    const [odd, gone, wrong] = [linkRow(randomKey()), linkRow(randomKey()), linkRow(randomKey())];
    await db.insert([plain, ruled, newer, odd, gone, wrong]);
    await withSql(url, async (sql) => {
      const write = async ({ key }: LinkRow, rules: string): Promise<unknown> =>
        sql.execute(
          'UPDATE urls SET ruled_url = original_url, original_url = NULL, rules = ? WHERE unique_id = ?',
          [rules, key],
        );
      await write(ruled, '{"disabled":true}');
      await write(newer, '{"password":"…"}');
      await write(gone, '{"disabled":true}');
      await sql.execute('UPDATE urls SET original_url = NULL WHERE unique_id = ?', [odd.key]);
      await sql.execute('UPDATE urls SET deleted_at = NOW(3) WHERE unique_id = ?', [gone.key]);
      await sql.execute('UPDATE urls SET rules = ? WHERE unique_id = ?', ['{"blocked":"spam"}', wrong.key]);
    });
    const reader = db.createTargetReader();
    const expected: LinkTarget[] = [
      { key: plain.key, longUrl: plain.longUrl, expiresAt: null },
      {
        key: ruled.key,
        longUrl: ruled.longUrl,
        expiresAt: null,
        rules: { disabled: true },
        state: ruled.requestId,
      },
      {
        key: newer.key,
        longUrl: newer.longUrl,
        expiresAt: null,
        rules: { password: '…' },
        state: newer.requestId,
      },
      { key: odd.key, longUrl: '', expiresAt: null, rules: { unreadable: '' }, state: odd.requestId },
      { key: gone.key, longUrl: null, expiresAt: null },
      {
        key: wrong.key,
        longUrl: wrong.longUrl,
        expiresAt: null,
        rules: { blocked: 'spam' },
        state: wrong.requestId,
      },
    ];
    for (const target of expected) expect(await readWith(reader, target.key)).to.deep.equal([target]);
    const all = await readWith(reader, randomKey(), ...expected.map(({ key }) => key));
    expect(all).to.have.deep.members(expected);
  });

  it('reads the state of a link with rules: the id of its last change, or of the request that made it', async () => {
    const row = linkRow(randomKey());
    await db.insert([row]);
    const reader = db.createTargetReader();
    const write = async (set: string): Promise<unknown> =>
      withSql(url, async (sql) => sql.execute(`UPDATE urls SET ${set} WHERE unique_id = ?`, [row.key]));
    await write(`ruled_url = original_url, original_url = NULL, rules = '{"maxVisits":3}', visits_left = 3`);
    const stateOf = async (): Promise<string | undefined> => (await readWith(reader, row.key))[0]?.state;
    expect(await stateOf()).to.equal(row.requestId);
    await write('visits_left = visits_left - 1');
    expect(await stateOf()).to.equal(row.requestId);
    await write(`changed_by = x'${'0c'.repeat(16)}'`);
    expect(await stateOf()).to.equal('0c'.repeat(16));
  });

  it('looks up every key by the primary key, never by a scan', async () => {
    const target = await emptyUrlsDatabase();
    const large = dbs.open(target);
    // In a small table a scan would be the best plan.
    for (let at = 0; at < 20; at++)
      await large.insert(Array.from({ length: 1_000 }, () => linkRow(randomKey())));
    const present = randomKey();
    await large.insert([linkRow(present)]);
    const plan = async (
      select: string,
      params: SqlValue[] = [],
    ): Promise<{ type: string; key: string; rows: number }[]> =>
      withSql(target, async (sql) => sql.query(`EXPLAIN ${select}`, params));
    const keys = Array.from({ length: 200 }, () => randomKey());
    const many = await plan(`SELECT original_url FROM urls WHERE ${whereKeys(keys)}`);
    expect(many).to.have.length(1);
    expect(many[0]).to.include({ type: 'range', key: 'PRIMARY' });
    expect(Number(many[0]?.rows)).to.be.at.most(200);
    const one = await plan(SELECT_TARGET, [slotOf(present), present]);
    expect(one).to.have.length(1);
    expect(one[0]).to.include({ type: 'const', key: 'PRIMARY' });
    // Also as it is sent: prepared, with parameters of the driver's types.
    const reader = large.createTargetReader();
    const rowsPassed = async (): Promise<number> =>
      withSql(target, async (sql) => {
        const rows = await sql.query<{ Value: string }>("SHOW GLOBAL STATUS LIKE 'Handler_read_%next'");
        return rows.reduce((sum, { Value }) => sum + Number(Value), 0);
      });
    const before = await rowsPassed();
    for (let i = 0; i < 20; i += 1) expect(await readWith(reader, present)).to.have.length(1);
    expect((await rowsPassed()) - before).to.be.below(20_000);
  });

  it('reads also when the server prepares no statements', async () => {
    const row = linkRow(randomKey());
    await db.insert([row]);
    const reader = db.createTargetReader();
    await withSql(url, async (admin) => {
      const [limit] = await admin.query<{ n: number }>('SELECT @@max_prepared_stmt_count AS n');
      await admin.execute('SET GLOBAL max_prepared_stmt_count = 0');
      try {
        for (const key of [row.key, row.key])
          expect(await readWith(reader, key)).to.deep.equal([{ key, longUrl: row.longUrl, expiresAt: null }]);
      } finally {
        await admin.execute('SET GLOBAL max_prepared_stmt_count = ?', [limit?.n ?? 16_382]);
      }
    });
  });
});
