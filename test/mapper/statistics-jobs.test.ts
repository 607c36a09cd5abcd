import { expect } from 'chai';
import { HOUR_MS, type LinkClicks } from '../../db/clicks/click-flush.ts';
import { openClicksDb, type ClicksDb } from '../../db/clicks/clicks-db.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import type { OnSkipped } from '../../mapper/jobs/rested-jobs.ts';
import { createStatisticsJobs } from '../../mapper/jobs/statistics-jobs.ts';
import { bindOwned, clearClicks, rowsOf, sketchOf } from '../db/clicks-fixture.ts';
import { errorOf } from '../db/outcome.ts';
import { emptyUrlsDatabase } from '../db/urls-fixture.ts';
import { startWire, through } from '../db/wire.ts';
import { withinOneDay } from '../one-day.ts';
import { until } from '../until.ts';
import { createWorld } from './world.ts';

const TABLES = ['hours', 'days', 'values', 'months', 'visitors', 'visitor_days'];
const ALL_TABLES = [
  'clicks',
  'click_totals',
  ...TABLES.flatMap((each) => [`click_${each}`, `owner_${each}`]),
];
const KEYS = ['one', 'two', 'free'];
const DAYS = [1, 2, 5, 40, 95, 130, 131];

describe('the jobs of statistics', () => {
  withinOneDay(60);
  let url: string;
  let sql: Mysql;
  let db: ClicksDb;

  before(async () => {
    url = await emptyUrlsDatabase();
    sql = openMysql(url, { name: 'test' });
    db = openClicksDb({ name: 'urls-1', url });
  });

  after(async () => Promise.all([db.close(), sql.close()]));

  const openJobsDb = (at = url): Mysql =>
    openMysql(at, { name: 'urls-1', canTransact: true, isolation: 'REPEATABLE READ', connections: 1 });

  /** What is counted for all keys on a day so long ago. */
  function clicksOn(daysAgo: number, visitor: number | undefined): LinkClicks[] {
    const day = Math.floor(Date.now() / (24 * HOUR_MS)) - daysAgo;
    return KEYS.map((key, index) => ({
      key,
      hours: [0, 7, 23].map((hour) => ({ hour: day * 24 + hour, humans: index + 1, bots: hour })),
      values: ['DE', 'ES', 'IN'].map((value) => ({
        day,
        dimension: 'country',
        value,
        humans: index + 1,
        bots: 0,
      })),
      visitors: visitor === undefined ? [] : [{ day, sketch: sketchOf(visitor, visitor + index) }],
    }));
  }

  async function fill(): Promise<void> {
    await clearClicks(sql);
    for (const key of KEYS) await bindOwned(sql, key, key === 'free' ? null : 7_001n);
    for (const key of KEYS)
      for (const daysAgo of [3, 33, 100])
        await sql.execute('INSERT INTO clicks VALUES (?, ?, UTC_DATE() - INTERVAL ? DAY, 10)', [
          slotOf(key),
          key,
          daysAgo,
        ]);
    // Another one each time: it would remember which visitors it has stored.
    const before = openClicksDb({ name: 'urls-1', url });
    for (const [index, daysAgo] of DAYS.entries())
      await before.add({ source: 'before', seq: index + 1, links: clicksOn(daysAgo, index) });
    await before.close();
  }

  /** One round of all jobs. @throws what ended it */
  async function runAll(
    jobsDb: Mysql,
    onSkipped: OnSkipped = () => undefined,
    keptDays?: number,
  ): Promise<void> {
    for (const job of createStatisticsJobs({ keptDays })) {
      let position: string | undefined;
      do position = await job.step(jobsDb, { position, doneAt: undefined }, onSkipped);
      while (position !== undefined);
    }
  }

  async function dump(): Promise<Record<string, (string | number)[][]>> {
    return Object.fromEntries(
      await Promise.all(ALL_TABLES.map(async (table) => [table, await rowsOf(sql, table)] as const)),
    );
  }

  it('leave the same when they are killed at any of their writes and done again', async () => {
    const jobsDb = openJobsDb();
    await fill();
    const before = await sql.query(
      'SELECT SUM(humans) + (SELECT SUM(clicks) FROM clicks) AS n FROM click_totals',
    );
    await runAll(jobsDb);
    const expected = await dump();
    expect(await sql.query('SELECT SUM(humans) AS n FROM click_totals')).to.deep.equal(before);
    expect(expected['click_months']).to.have.length.above(10);
    await runAll(jobsDb);
    expect(await dump()).to.deep.equal(expected);
    for (let cut = 1, wasCut = true; wasCut; cut += 1) {
      await fill();
      await using wire = await startWire(url);
      const wired = openJobsDb(through(wire, url));
      let writes = 0;
      wire.cutBeforeReplyTo((sent) => isWrite(sent) && ++writes === cut);
      // What one subject has lost is done for it alone, at once or by the next round.
      await errorOf(runAll(wired));
      wasCut = writes >= cut;
      await wired.close();
      await runAll(jobsDb);
      expect(await dump(), `cut after write ${cut}`).to.deep.equal(expected);
      if (!wasCut) expect(cut).to.be.above(10);
    }
    await jobsDb.close();
  }).timeout(60_000);

  it('leave the same when several do them at the same time, while clicks of all days come in', async () => {
    const late = [...DAYS, ...DAYS, ...DAYS].map((daysAgo) => clicksOn(daysAgo, undefined));
    const addLate = async (): Promise<void> => {
      for (const [index, links] of late.entries()) {
        const flush = { source: 'late', seq: index + 1, links };
        await until('a flush', async () => (await errorOf(db.add(flush))) === undefined);
      }
    };
    const jobsDbs = [openJobsDb(), openJobsDb(), openJobsDb()] as const;
    await fill();
    await addLate();
    await runAll(jobsDbs[0]);
    const expected = await dump();
    await fill();
    const over = new AbortController();
    const running = jobsDbs.map(async (jobsDb) => {
      while (!over.signal.aborted) await errorOf(runAll(jobsDb));
    });
    await addLate();
    over.abort();
    await Promise.all(running);
    await runAll(jobsDbs[0]);
    expect(await dump()).to.deep.equal(expected);
    await Promise.all(jobsDbs.map(async (jobsDb) => jobsDb.close()));
  }).timeout(60_000);

  it('go on behind a link and an owner whose clicks cannot be summed, and say which', async () => {
    await using jobsDb = openJobsDb();
    await fill();
    await runAll(jobsDb);
    const expected = await dump();
    await fill();
    // Their sums are greater than what a column can have.
    const most = '18446744073709551615';
    await sql.execute(
      `INSERT INTO click_hours VALUES (${slotOf('one')}, 'one', '2020-01-01 00:00:00', ${most}, 0),
         (${slotOf('one')}, 'one', '2020-01-01 01:00:00', 1, 0)`,
    );
    await sql.execute(
      `INSERT INTO owner_hours VALUES (5, '2020-01-01 00:00:00', ${most}, 0), (5, '2020-01-01 01:00:00', 1, 0)`,
    );
    await bindOwned(sql, 'five', 5n);
    const skipped: string[] = [];
    await runAll(jobsDb, (what) => skipped.push(what));
    expect(skipped).to.deep.equal(['one', '5']);
    const left = await dump();
    for (const table of ['click_hours', 'click_days', 'click_months', 'click_visitor_days', 'owner_days'])
      expect(
        left[table]?.filter(([name]) => name !== 'one' && name !== '5'),
        table,
      ).to.deep.equal(expected[table]?.filter(([name]) => name !== 'one'));
    // Their visitors are counted all the same.
    expect(left['click_visitor_days']).to.deep.equal(expected['click_visitor_days']);
  });

  it('delete what is too old, also of an owner of whom only a month is left, some rows at a time', async () => {
    await using jobsDb = openJobsDb();
    await clearClicks(sql);
    await bindOwned(sql, 'key', 5n);
    await sql.execute(
      `INSERT INTO owner_months VALUES (5, 0, '2020-01-01', '', 1, 0), (5, 1, '2020-01-01', 'x', 1, 0)`,
    );
    await sql.execute(
      `INSERT INTO owner_values SELECT 6, 7, '2020-01-01', CONCAT('k', seq), 1, 0 FROM seq_1_to_2500`,
    );
    await sql.execute("INSERT INTO owner_days VALUES (6, '2020-01-01', 2500, 0)");
    const [job] = createStatisticsJobs({ keptDays: 365 }).filter(({ name }) => name === 'roll up owners');
    let pieces = 0;
    let position: string | undefined;
    do {
      position = await job?.step(jobsDb, { position, doneAt: undefined }, () => undefined);
      pieces += 1;
    } while (position !== undefined);
    expect(pieces).to.equal(3);
    for (const table of ['owner_months', 'owner_values', 'owner_days'])
      expect(await rowsOf(sql, table), table).to.deep.equal([]);
  });

  it('sum and delete nothing on a server whose clock is far from ours', async () => {
    await fill();
    const before = await dump();
    for (const days of [400, -400]) {
      await using jobsDb = openJobsDb();
      await jobsDb.execute(`SET timestamp = ${Math.floor(Date.now() / 1_000) + days * 86_400}`);
      const jobs = createStatisticsJobs({ keptDays: 30 }).filter(({ name }) => name.startsWith('roll up'));
      expect(jobs).to.have.length(2);
      for (const job of jobs) {
        const stepping = job.step(jobsDb, { position: undefined, doneAt: undefined }, () => undefined);
        expect(await errorOf(stepping)).to.have.property('code', 'CLOCKS_DIFFER');
      }
    }
    expect(await dump()).to.deep.equal(before);
  });

  it('are done by mappers: what an earlier release has counted is moved', async () => {
    await using world = await createWorld();
    const [first] = world.urls;
    if (first === undefined) throw new Error('a urls server is needed');
    const server = openMysql(first.url, { name: 'test' });
    await server.execute("INSERT INTO clicks VALUES (3, 'moved', '2026-01-01', 10)");
    await world.start({ jobs: { keptDays: undefined, pollMs: 20 } });
    await until('the move', async () => (await rowsOf(server, 'click_totals')).length === 1);
    expect(await rowsOf(server, 'click_days')).to.deep.equal([['moved', '2026-01-01', 10, 0]]);
    await server.close();
  });
});

/** A request in MySQL's text protocol that changes something. */
function isWrite(sent: Buffer): boolean {
  return sent[4] === 3 && /^(START|INSERT|UPDATE|DELETE)/.test(sent.toString('latin1', 5, 15));
}
