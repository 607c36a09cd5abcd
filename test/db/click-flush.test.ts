import { expect } from 'chai';
import type { LinkClicks } from '../../db/clicks/click-flush.ts';
import { openClicksDb, type ClicksDb } from '../../db/clicks/clicks-db.ts';
import { DIMENSIONS, MAX_VALUES, OTHER_VALUES } from '../../db/clicks/dimensions.ts';
import { Sketch } from '../../db/clicks/sketch.ts';
import { StoredSketches } from '../../db/clicks/stored-sketches.ts';
import { LINK } from '../../db/clicks/subject.ts';
import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { withinOneDay } from '../one-day.ts';
import { bindOwned, clearClicks, clicksOf, dayAt, hourAt, rowsOf, sketchOf } from './clicks-fixture.ts';
import { emptyUrlsDatabase } from './urls-fixture.ts';

const DAY = '2026-11-23';
const OWNER = 7_001n;

describe('a flush of clicks', () => {
  withinOneDay();
  let sql: Mysql;
  let db: ClicksDb;
  let url: string;
  const further: string[] = [];

  before(async () => {
    url = await emptyUrlsDatabase();
    sql = openMysql(url, { name: 'test' });
  });

  after(async () => sql.close());

  beforeEach(async () => {
    await clearClicks(sql);
    db = openClicksDb({
      name: 'urls-1',
      url,
      furtherFor: (owned) => {
        further.push(...owned.map(({ ownerId, link }) => `${ownerId} ${link.key}`));
        return owned.length === 0
          ? []
          : [
              `INSERT INTO orphans VALUES ('${DAY}', 'x', 'unknown', 1) ON DUPLICATE KEY UPDATE asked = asked + 1`,
            ];
      },
    });
  });

  afterEach(async () => {
    further.length = 0;
    await db.close();
  });

  it('adds to the totals, hours and values of links, and to those of their owners', async () => {
    for (const key of ['one', 'two']) await bindOwned(sql, key, OWNER);
    await bindOwned(sql, 'free', null);
    const value = { day: dayAt(DAY), dimension: 'country', value: 'DE', humans: 2, bots: 0 } as const;
    const hour = hourAt(`${DAY}T10:00Z`);
    const links = [
      clicksOf('two', {
        hours: [
          { hour, humans: 2, bots: 1 },
          { hour: hour + 14, humans: 0, bots: 4 },
        ],
        values: [value],
      }),
      clicksOf('one', { values: [{ ...value, humans: 1 }] }),
      clicksOf('free'),
    ];
    for (const seq of [1, 1, 2]) await db.add({ source: 'a', seq, links });
    expect(await rowsOf(sql, 'click_totals')).to.deep.equal([
      ['free', 2, 0],
      ['one', 2, 0],
      ['two', 4, 10],
    ]);
    expect(await rowsOf(sql, 'click_hours')).to.deep.equal([
      ['free', `${DAY} 10:00:00`, 2, 0],
      ['one', `${DAY} 10:00:00`, 2, 0],
      ['two', `${DAY} 10:00:00`, 4, 2],
      ['two', '2026-11-24 00:00:00', 0, 8],
    ]);
    expect(await rowsOf(sql, 'click_values')).to.deep.equal([
      ['one', DIMENSIONS.country, DAY, 'DE', 2, 0],
      ['two', DIMENSIONS.country, DAY, 'DE', 4, 0],
    ]);
    expect(await rowsOf(sql, 'owner_hours')).to.deep.equal([
      ['7001', `${DAY} 10:00:00`, 6, 2],
      ['7001', '2026-11-24 00:00:00', 0, 8],
    ]);
    expect(await rowsOf(sql, 'owner_values')).to.deep.equal([
      ['7001', DIMENSIONS.country, DAY, 'DE', 6, 0],
      ['7001', DIMENSIONS.link, DAY, 'one', 2, 0],
      ['7001', DIMENSIONS.link, DAY, 'two', 4, 2],
      ['7001', DIMENSIONS.link, '2026-11-24', 'two', 0, 8],
    ]);
  });

  it('adds visitors to those that its source has stored, and leaves the other sources alone', async () => {
    await bindOwned(sql, "o'clock", OWNER);
    const day = dayAt(DAY);
    const add = async (source: string, seq: number, ...visitors: number[]): Promise<unknown> =>
      db.add({
        source,
        seq,
        links: [clicksOf("o'clock", { visitors: [{ day, sketch: sketchOf(...visitors) }] })],
      });
    await add('a', 1, 1, 2);
    await add('a', 2, 2, 3);
    await add('b', 1, 3, 4, 5, 6);
    for (const table of ['click_visitors', 'owner_visitors']) {
      const rows = await sql.queryArrays<[string, Buffer]>(
        `SELECT source, sketch FROM ${table} ORDER BY source`,
      );
      expect(rows.map(([source, sketch]) => [source, Sketch.fromBytes(sketch).estimate()])).to.deep.equal([
        ['a', 3],
        ['b', 4],
      ]);
    }
  });

  describe('of visitors', () => {
    const today = dayAt(DAY);
    let nowMs: number;
    let sketches: StoredSketches;

    beforeEach(() => {
      nowMs = 0;
      const wallClock = (): number => Date.parse(`${DAY}T12:00Z`);
      sketches = new StoredSketches({ db: sql, kind: LINK, now: () => nowMs, wallClock });
    });

    const seenBy = (day: number, ...visitors: number[]): LinkClicks =>
      clicksOf('seen', { visitors: [{ day, sketch: sketchOf(...visitors) }] });

    /** What is written of a flush that is stored, or else fails: how many visitors the row has then. */
    async function toWrite(
      visitors: readonly number[],
      { isStored = true, day = today } = {},
    ): Promise<number[]> {
      const subjects = [{ id: LINK.toId('seen'), ...seenBy(day, ...visitors) }];
      const whole = await sketches.complete(subjects, 'a', 5_000);
      if (isStored) whole.stored();
      return whole.subjects.flatMap((subject) => subject.visitors.map(({ sketch }) => sketch.estimate()));
    }

    /** Another process of ours would see this row. */
    async function replaceStored(...visitors: number[]): Promise<void> {
      await sql.execute('DELETE FROM click_visitors');
      await db.add({ source: 'a', seq: (seq += 1), links: [seenBy(today, ...visitors)] });
    }
    let seq = 0;

    it('writes no row when all are stored already, as its source has read or written before', async () => {
      await replaceStored(1, 2);
      expect(await toWrite([2])).to.deep.equal([]);
      expect(await toWrite([2, 3])).to.deep.equal([3]);
      expect(await toWrite([1, 3])).to.deep.equal([]);
      expect(await toWrite([4])).to.deep.equal([4]);
    });

    it('reads again what was not stored for certain', async () => {
      expect(await toWrite([1, 2])).to.deep.equal([2]);
      expect(await toWrite([3], { isStored: false })).to.deep.equal([3]);
      expect(await toWrite([3], { isStored: false }), 'the row is still absent').to.deep.equal([1]);
      await replaceStored(1, 2);
      expect(await toWrite([3])).to.deep.equal([3]);
    });

    it('reads again after a while, and days that may be closed always', async () => {
      expect(await toWrite([1, 2])).to.deep.equal([2]);
      nowMs += 29_999;
      expect(await toWrite([3])).to.deep.equal([3]);
      nowMs += 1;
      expect(await toWrite([3]), 'no row').to.deep.equal([1]);
      for (const [day, second] of [
        [today - 1, [2]],
        [today - 2, [1]],
      ] as const) {
        expect(await toWrite([1], { day })).to.deep.equal([1]);
        expect(await toWrite([2], { day })).to.deep.equal(second);
      }
    });
  });

  it('bounds the values of an owner and day, but not his links', async () => {
    const value = { day: dayAt(DAY), dimension: 'referrer', humans: 1, bots: 0 } as const;
    const links = await Promise.all(
      Array.from({ length: MAX_VALUES + 20 }, async (_, index) => {
        const key = `link-${index}`;
        await bindOwned(sql, key, OWNER);
        return clicksOf(key, { values: [{ ...value, value: `host-${index}.example` }] });
      }),
    );
    await db.add({ source: 'a', seq: 1, links });
    const count = async (dimension: number): Promise<number> =>
      (await rowsOf(sql, 'owner_values')).filter((row) => row[1] === dimension).length;
    expect(await count(DIMENSIONS.link)).to.equal(links.length);
    expect(await count(DIMENSIONS.referrer)).to.equal(MAX_VALUES + 1);
    const other = (await rowsOf(sql, 'owner_values')).find((row) => row[3] === OTHER_VALUES);
    expect(other?.[4]).to.equal(20);
  });

  it('opens a month that is over and was summed, and no month that goes on', async () => {
    await bindOwned(sql, 'late', OWNER);
    await sql.execute(`INSERT INTO click_months SELECT slot, unique_id, 0, '2026-01-01', '', 9, 9 FROM urls`);
    await sql.execute(`INSERT INTO owner_months VALUES (${OWNER}, 0, '2026-01-01', '', 9, 9),
      (${OWNER}, 1, '2026-01-01', 'x.example', 9, 9), (${OWNER}, 0, '2026-02-01', '', 9, 9)`);
    const now = new Date().toISOString();
    await db.add({ source: 'a', seq: 1, links: [clicksOf('late', { at: now })] });
    expect(await rowsOf(sql, 'click_months')).to.have.length(1);
    await db.add({ source: 'a', seq: 2, links: [clicksOf('late', { at: '2026-01-31T23:00Z' })] });
    expect(await rowsOf(sql, 'click_months')).to.deep.equal([]);
    expect((await rowsOf(sql, 'owner_months')).map((row) => row.slice(1, 3))).to.deep.equal([
      [0, '2026-02-01'],
      [1, '2026-01-01'],
    ]);
  });

  it('takes what belongs to the clicks of owners into its transaction, and nothing for other links', async () => {
    await bindOwned(sql, 'mine', OWNER);
    await bindOwned(sql, 'free', null);
    const flush = { source: 'a', seq: 1, links: [clicksOf('mine'), clicksOf('free')] };
    expect(await db.add(flush)).to.equal('added');
    expect(await db.add(flush)).to.equal('repeated');
    expect(await rowsOf(sql, 'orphans')).to.deep.equal([[DAY, 'x', 'unknown', '1']]);
    expect(new Set(further)).to.deep.equal(new Set([`${OWNER} mine`]));
  });
});
