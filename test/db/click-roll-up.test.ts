import { expect } from 'chai';
import { closeMonths } from '../../db/clicks/close-months.ts';
import { DIMENSIONS, MAX_VALUES, OTHER_VALUES } from '../../db/clicks/dimensions.ts';
import { forgetClearedLinks, forgetFormerOwners, forgetOldClicks } from '../../db/clicks/forget-clicks.ts';
import { openClicksDb, type ClicksDb } from '../../db/clicks/clicks-db.ts';
import { moveOldClicks } from '../../db/clicks/move-clicks.ts';
import { closeVisitorDays, rollUpHours } from '../../db/clicks/roll-up.ts';
import { openStatisticsDb } from '../../db/clicks/statistics-db.ts';
import { LINK, listLinks, listOwners, OWNER } from '../../db/clicks/subject.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { bindOwned, clearClicks, clicksOf, dayAt, rowsOf, sketchOf } from './clicks-fixture.ts';
import { emptyUrlsDatabase } from './urls-fixture.ts';

const USER = 7_001n;

describe('clicks that grow old', () => {
  let sql: Mysql;
  let db: ClicksDb;
  let seq: number;

  let url: string;

  before(async () => {
    url = await emptyUrlsDatabase();
    sql = openMysql(url, { name: 'test', canTransact: true, isolation: 'REPEATABLE READ' });
  });

  after(async () => sql.close());

  beforeEach(async () => {
    await clearClicks(sql);
    db = openClicksDb({ name: 'urls-1', url });
    seq = 0;
    await bindOwned(sql, 'key', USER);
    await bindOwned(sql, 'other', USER);
  });

  afterEach(async () => {
    await db.close();
  });

  async function add(...links: Parameters<typeof db.add>[0]['links']): Promise<void> {
    seq += 1;
    await db.add({ source: 'a', seq, links });
  }

  /** Both kinds of subject, with all subjects of the database. */
  const both = async (): Promise<{ db: Mysql; kind: typeof LINK; ids: string[] }[]> => [
    { db: sql, kind: LINK, ids: (await listLinks(sql, undefined, 100)).map((key) => LINK.toId(key)) },
    { db: sql, kind: OWNER, ids: (await listOwners(sql, undefined, 100)).map((id) => OWNER.toId(id)) },
  ];

  it('are found by their links and owners, some at a time', async () => {
    const keys = Array.from({ length: 25 }, (_, index) => `k${index}`);
    for (const [index, key] of keys.entries()) await bindOwned(sql, key, BigInt(index + 1));
    await add(...keys.map((key) => clicksOf(key)));
    await sql.execute("INSERT INTO owner_days VALUES (18446744073709551614, '2020-01-01', 1, 1)");
    const list = async (read: typeof listLinks): Promise<string[]> => {
      const found: string[] = [];
      for (;;) {
        const page = await read(sql, found.at(-1), 10);
        found.push(...page);
        if (page.length < 10) return found;
      }
    };
    expect(new Set(await list(listLinks))).to.deep.equal(new Set(keys));
    expect((await list(listLinks)).map(slotOf)).to.deep.equal(keys.map(slotOf).toSorted((a, b) => a - b));
    const owners = [...keys.map((_, index) => String(index + 1)), '18446744073709551614'];
    expect(await list(listOwners)).to.deep.equal(owners);
  });

  it('have their hours summed by day after 92 days, also when some come later', async () => {
    const today = dayAt('2026-06-01');
    const [old, young] = ['2026-02-28T23:00Z', '2026-03-01T00:00Z'];
    for (let time = 0; time < 2; time += 1) {
      await add(clicksOf('key', { at: old, humans: 2 }), clicksOf('other', { at: '2026-02-28T01:00Z' }));
      await add(clicksOf('key', { at: young }), clicksOf('key', { at: '2026-02-28T00:00Z' }));
      for (const kind of await both()) await rollUpHours({ ...kind, today });
    }
    expect(await rowsOf(sql, 'click_days')).to.deep.equal([
      ['key', '2026-02-28', 6, 0],
      ['other', '2026-02-28', 2, 0],
    ]);
    expect(await rowsOf(sql, 'click_hours')).to.deep.equal([['key', '2026-03-01 00:00:00', 2, 0]]);
    expect(await rowsOf(sql, 'owner_days')).to.deep.equal([['7001', '2026-02-28', 8, 0]]);
    expect((await db.of('key')).total).to.equal(8);
  });

  it('have the visitors of a day counted when it is closed for two days', async () => {
    const today = dayAt('2026-06-04');
    const visit = async (source: string, date: string, ...visitors: number[]): Promise<unknown> =>
      db.add({
        source,
        seq: (seq += 1),
        links: [
          clicksOf('key', { at: date, visitors: [{ day: dayAt(date), sketch: sketchOf(...visitors) }] }),
        ],
      });
    await visit('a', '2026-06-01', 1, 2, 3);
    await visit('b', '2026-06-01', 3, 4);
    await visit('b', '2026-06-02', 3);
    await sql.execute(
      "UPDATE owner_visitors SET sketch = 'nonsense' WHERE source = 'b' AND day = '2026-06-01'",
    );
    for (let time = 0; time < 2; time += 1)
      for (const kind of await both()) await closeVisitorDays({ ...kind, today });
    expect(await rowsOf(sql, 'click_visitor_days')).to.deep.equal([['key', '2026-06-01', 4]]);
    expect(await rowsOf(sql, 'click_visitors')).to.deep.equal([['key', '2026-06-02', 'b']]);
    expect(await rowsOf(sql, 'owner_visitor_days')).to.deep.equal([['7001', '2026-06-01', 3]]);
    await visit('b', '2026-06-01', 8);
    for (const kind of await both()) await closeVisitorDays({ ...kind, today });
    expect(await rowsOf(sql, 'click_visitor_days')).to.deep.equal([['key', '2026-06-01', 5]]);
  });

  it('have the visitors of a day counted however many processes have seen some, and of days behind it', async () => {
    await add(clicksOf('key'));
    for (const [day, sources] of [
      ['2026-06-01', 2_000],
      ['2026-06-02', 4_001],
      ['2026-06-03', 1],
    ] as const)
      for (const visitor of [1, 2])
        await sql.execute(
          `INSERT INTO click_visitors SELECT ?, 'key', ?, CONCAT('s', seq), ? FROM seq_1_to_5000
           WHERE seq <= ? AND seq % 2 = ?`,
          [slotOf('key'), day, sketchOf(visitor).toBytes(), sources, visitor % 2],
        );
    await closeVisitorDays({ db: sql, kind: LINK, ids: [LINK.toId('key')], today: dayAt('2026-06-10') });
    expect(await rowsOf(sql, 'click_visitor_days')).to.deep.equal([
      ['key', '2026-06-01', 2],
      ['key', '2026-06-02', 2],
      ['key', '2026-06-03', 1],
    ]);
    expect(await rowsOf(sql, 'click_visitors')).to.deep.equal([]);
  });

  it('have each closed month summed beside its days, with the most frequent values', async () => {
    const value = { dimension: 'referrer', bots: 0 } as const;
    const values = Array.from({ length: MAX_VALUES + 10 }, (_, index) => ({
      ...value,
      day: dayAt('2026-05-02') + (index % 20),
      value: `host-${index}.example`,
      humans: index + 1,
    }));
    const other = { ...value, day: dayAt('2026-05-02'), value: OTHER_VALUES, humans: 1_000 };
    await add(clicksOf('key', { at: '2026-05-31T23:00Z', humans: 3, values: [...values, other] }));
    await add(clicksOf('key', { at: '2026-05-01' }), clicksOf('key', { at: '2026-06-01', humans: 100 }));
    const close = async (today: string): Promise<void> => {
      for (const kind of await both()) await closeMonths({ ...kind, today: dayAt(today), since: 0 });
    };
    await close('2026-06-02');
    expect(await rowsOf(sql, 'click_months')).to.deep.equal([]);
    await close('2026-06-03');
    for (const [table, id] of [
      ['click_months', 'key'],
      ['owner_months', '7001'],
    ] as const) {
      const rows = await rowsOf(sql, table);
      expect(rows[0]).to.deep.equal([id, 0, '2026-05-01', '', 4, 0]);
      const hosts = rows.filter((row) => row[1] === DIMENSIONS.referrer);
      expect(hosts).to.have.length(MAX_VALUES + 1);
      expect(hosts.find((row) => row[3] === 'host-10.example')?.[4]).to.equal(11);
      // The ten that were seen least, and the others of that day.
      expect(hosts.find((row) => row[3] === OTHER_VALUES)?.[4]).to.equal(1_055);
    }
    // A flush that comes late opens the month. Then its sum is made again, not beside the old one.
    await add(clicksOf('key', { at: '2026-05-31T23:00Z', humans: 5, values: [{ ...other, humans: 1 }] }));
    await close('2026-06-03');
    expect((await rowsOf(sql, 'click_months'))[0]).to.deep.equal(['key', 0, '2026-05-01', '', 9, 0]);
    expect((await rowsOf(sql, 'owner_months')).find((row) => row[3] === OTHER_VALUES)?.[4]).to.equal(1_056);
  });

  it('are all read of a month that was summed too early, by a clock that was ahead', async () => {
    const today = new Date().toISOString();
    const value = {
      dimension: 'referrer',
      day: dayAt(today.slice(0, 10)),
      value: 'a.example',
      bots: 0,
    } as const;
    const click = clicksOf('key', { at: today, values: [{ ...value, humans: 1 }] });
    await add(click);
    const nextYear = value.day + 365;
    for (const kind of await both()) await closeMonths({ ...kind, today: nextYear, since: 0 });
    expect(await rowsOf(sql, 'click_months')).not.to.deep.equal([]);
    await add(click);
    const statistics = openStatisticsDb({ name: 'urls-1', url });
    const range = { fromDay: 0, toDay: Infinity };
    const subject = { kind: LINK, name: 'key' };
    expect(await statistics.closedMonths(subject, range)).to.deep.equal([]);
    await statistics.close();
    for (const kind of await both()) await closeMonths({ ...kind, today: value.day, since: 0 });
    for (const table of ['click_months', 'owner_months'])
      expect(
        (await rowsOf(sql, table)).filter(([, dimension]) => dimension === 0),
        table,
      ).to.deep.equal([]);
    for (const kind of await both()) await closeMonths({ ...kind, today: nextYear, since: 0 });
    expect((await rowsOf(sql, 'click_months'))[0]).to.have.ordered.members([
      'key',
      0,
      `${today.slice(0, 7)}-01`,
      '',
      2,
      0,
    ]);
  });

  it('are moved from the table of earlier releases, as humans, with those of owners', async () => {
    await bindOwned(sql, 'free', null);
    const insert = async (key: string, day: string, clicks: number): Promise<unknown> =>
      sql.execute(
        `INSERT INTO clicks (slot, unique_id, day, clicks) VALUES (?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE clicks = clicks + VALUES(clicks)`,
        [slotOf(key), key, day, clicks],
      );
    await add(clicksOf('key', { at: '2026-01-05' }));
    for (const kind of await both()) await closeMonths({ ...kind, today: dayAt('2026-06-01'), since: 0 });
    for (let time = 1; time <= 2; time += 1) {
      for (let day = 1; day <= 9; day += 1) await insert('key', `2026-01-0${day}`, day);
      await insert('other', '2026-02-01', 2);
      await insert('free', '2026-02-01', 3);
      expect(await moveOldClicks(sql)).to.equal(false);
      expect(await rowsOf(sql, 'clicks')).to.deep.equal([]);
      expect(await rowsOf(sql, 'click_totals')).to.deep.equal([
        ['free', 3 * time, 0],
        ['key', 1 + 45 * time, 0],
        ['other', 2 * time, 0],
      ]);
    }
    expect(await rowsOf(sql, 'click_days')).to.deep.include(['key', '2026-01-05', 10, 0]);
    expect((await db.of('key')).total).to.equal(91);
    expect(await rowsOf(sql, 'owner_days')).to.deep.include(['7001', '2026-02-01', 4, 0]);
    expect(await rowsOf(sql, 'owner_values')).to.deep.include([
      '7001',
      DIMENSIONS.link,
      '2026-02-01',
      'other',
      4,
      0,
    ]);
    expect([...(await rowsOf(sql, 'click_months')), ...(await rowsOf(sql, 'owner_months'))]).to.deep.equal([
      ['7001', DIMENSIONS.link, '2026-01-01', 'key', 1, 0],
    ]);
  });

  it('are deleted after the time for which they are kept, except the totals', async () => {
    for (const at of ['2025-01-31', '2025-03-15', '2025-03-16']) {
      const day = dayAt(at);
      const value = { day, dimension: 'os', value: 'Linux', humans: 1, bots: 0 } as const;
      await add(clicksOf('key', { at, values: [value], visitors: [{ day, sketch: sketchOf(1) }] }));
    }
    for (const kind of await both()) {
      await closeMonths({ ...kind, today: dayAt('2026-06-01'), since: 0 });
      await forgetOldClicks({ ...kind, before: dayAt('2025-03-16') });
    }
    for (const prefix of ['click', 'owner']) {
      expect(await rowsOf(sql, `${prefix}_hours`)).to.have.length(1);
      expect(await rowsOf(sql, `${prefix}_visitors`)).to.have.length(1);
      const of = async (table: string): Promise<unknown[]> => [
        ...new Set((await rowsOf(sql, `${prefix}_${table}`)).map((row) => row[2])),
      ];
      expect(await of('values')).to.deep.equal(['2025-03-16']);
      // Days of this month are gone.
      expect(await of('months')).to.deep.equal([]);
    }
    expect(await rowsOf(sql, 'click_totals')).to.deep.equal([['key', 3, 0]]);
  });

  it('are deleted with a link that cannot be restored any more, and with an account', async () => {
    await add(clicksOf('key'), clicksOf('other'));
    await sql.execute(
      "UPDATE urls SET deleted_at = '2026-01-01', original_url = NULL WHERE unique_id = 'key'",
    );
    const [links, owners] = await both();
    if (!links || !owners) throw new Error('two kinds are needed');
    await forgetClearedLinks(sql, links.ids);
    expect(await listLinks(sql, undefined, 10)).to.deep.equal(['other']);
    expect((await rowsOf(sql, 'click_hours')).map(([key]) => key)).to.deep.equal(['other']);
    await forgetFormerOwners(sql, owners.ids);
    expect(await rowsOf(sql, 'owner_hours')).to.have.length(1);
    await sql.execute('DELETE FROM owned');
    await forgetFormerOwners(sql, owners.ids);
    expect([...(await rowsOf(sql, 'owner_hours')), ...(await rowsOf(sql, 'owner_values'))]).to.deep.equal([]);
  });

  it('are not deleted of an owner who makes a link while they are', async () => {
    const late = 7_002n;
    // Between the look at his links and the first DELETE.
    const racing = {
      queryArrays: async (...statement: Parameters<Mysql['queryArrays']>) => {
        const rows = await sql.queryArrays(...statement);
        await bindOwned(sql, 'late', late);
        await add(clicksOf('late'));
        return rows;
      },
      execute: async (...statement: Parameters<Mysql['execute']>) => sql.execute(...statement),
    } as unknown as Mysql;
    await forgetFormerOwners(racing, [OWNER.toId(String(late))]);
    expect(await rowsOf(sql, 'owner_hours')).to.have.length(1);
    expect(await rowsOf(sql, 'owner_values')).to.have.length(1);
  });

  it('are summed and deleted without a look at the rows of other links', async () => {
    const other = 'SELECT CRC32(seq) % 32 AS slot, CAST(seq AS CHAR) AS unique_id';
    for (const [table, columns] of [
      ['hours', "'2025-01-01', 1, 1"],
      ['days', "'2025-01-01', 1, 1"],
      ['values', "1 + seq % 6, '2025-01-01', 'x', 1, 1"],
      ['months', "0, '2025-01-01', '', 1, 1"],
      ['visitors', "'2025-01-01', 'b', ''"],
    ] as const)
      await sql.execute(`INSERT INTO click_${table} ${other}, ${columns} FROM seq_1_to_5000`);
    await sql.query('ANALYZE TABLE click_hours, click_days, click_values, click_months, click_visitors');
    const day = dayAt('2025-01-05');
    const value = { day, dimension: 'os', value: 'Linux', humans: 1, bots: 0 } as const;
    await add(
      clicksOf('key', { at: '2025-01-05', values: [value], visitors: [{ day, sketch: sketchOf(1) }] }),
    );
    await using single = openMysql(url, {
      name: 'test',
      canTransact: true,
      isolation: 'REPEATABLE READ',
      connections: 1,
    });
    const work = { db: single, kind: LINK, ids: [LINK.toId('key')], today: dayAt('2026-06-01') };
    await closeMonths({ ...work, since: 0 });
    await rollUpHours(work);
    await closeVisitorDays(work);
    await forgetOldClicks({ ...work, before: dayAt('2025-02-01') });
    const read = await single.queryArrays<[string, string]>("SHOW SESSION STATUS LIKE 'Handler_read%next'");
    expect(read.reduce((sum, [, count]) => sum + Number(count), 0)).to.be.below(1_000);
    for (const table of ['hours', 'days', 'values', 'visitors', 'visitor_days'])
      expect(
        (await rowsOf(sql, `click_${table}`)).filter(([key]) => key === 'key'),
        table,
      ).to.deep.equal([]);
  });
});
