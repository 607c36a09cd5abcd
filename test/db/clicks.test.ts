import { expect } from 'chai';
import * as fc from 'fast-check';
import { slotOf } from '../../db/keyspace/placement.ts';
import { OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import { HOUR_MS, type LinkClicks } from '../../db/clicks/click-flush.ts';
import { openClicksDb, type ClicksDb } from '../../db/clicks/clicks-db.ts';
import { errorOf } from './outcome.ts';
import { emptyUrlsDatabase, linkRow, OpenUrlsDbs, randomKey, withSql } from './urls-fixture.ts';
import { loseNextAnswer, loseRequest, startWire, through } from './wire.ts';

const DAY = '2026-11-23';
const HOUR = Date.parse(`${DAY}T10:00:00Z`) / HOUR_MS;

describe('clicks in a urls database', () => {
  const opened: ClicksDb[] = [];
  let url: string;
  let db: ClicksDb;
  let sources = 0;

  before(async () => {
    url = await emptyUrlsDatabase();
  });

  beforeEach(() => {
    db = open(url);
  });

  afterEach(async () => {
    await Promise.all(opened.splice(0).map(async (each) => each.close()));
  });

  function open(at: string): ClicksDb {
    const each = openClicksDb({ name: 'urls-1', url: at });
    opened.push(each);
    return each;
  }

  function newSource(): string {
    sources += 1;
    return `mapper-1/${sources}`;
  }

  function linksOf(key: string, humans = 1, hour = HOUR): LinkClicks[] {
    return [{ key, hours: [{ hour, humans, bots: 0 }], values: [], visitors: [] }];
  }

  it('add up over flushes, sources and days, and distinguish keys by case', async () => {
    const key = `aB${randomKey()}`;
    const [one, other] = [newSource(), newSource()];
    expect(await db.add({ source: one, seq: 1, links: linksOf(key, 3) })).to.equal('added');
    await db.add({ source: one, seq: 2, links: linksOf(key, 2) });
    await db.add({ source: one, seq: 3, links: linksOf(key, 7, HOUR + 24) });
    await db.add({
      source: other,
      seq: 1,
      links: [...linksOf(key, 1), ...linksOf(`Ab${key.slice(2)}`, 100)],
    });
    expect(await db.of(key)).to.deep.equal({
      total: 13,
      days: [
        { day: DAY, humans: 6, bots: 0 },
        { day: '2026-11-24', humans: 7, bots: 0 },
      ],
    });
    expect(await db.of(randomKey())).to.deep.equal({ total: 0, days: [] });
  });

  it('are added once when a flush is repeated, or arrives after its successor', async () => {
    const key = randomKey();
    const flush = { source: newSource(), seq: 1, links: linksOf(key) };
    expect(await db.add(flush)).to.equal('added');
    expect(await db.add(flush)).to.equal('repeated');
    expect(await db.add({ ...flush, seq: 2 })).to.equal('added');
    expect(await db.add({ ...flush, seq: 1 })).to.equal('repeated');
    expect(await db.add({ ...flush, seq: 2 })).to.equal('repeated');
    expect((await db.of(key)).total).to.equal(2);
  });

  it('continue after the server was restored to an earlier state', async () => {
    const key = randomKey();
    const source = newSource();
    await db.add({ source, seq: 1, links: linksOf(key) });
    expect(await db.add({ source, seq: 7, links: linksOf(key) })).to.equal('added');
    expect((await db.of(key)).total).to.equal(2);
  });

  it('are added once when the answer is lost, or the request, or when nothing listens', async () => {
    await using wire = await startWire(url);
    const remote = open(through(wire, url));
    const key = randomKey();
    const source = newSource();
    // Remembers who owns the link, so that the flush is the next request.
    await remote.add({ source: newSource(), seq: 1, links: linksOf(key, 0) });
    const first = { source, seq: 1, links: linksOf(key) };
    loseNextAnswer(wire);
    expect(await errorOf(remote.add(first))).to.be.instanceOf(OutcomeUnknownError);
    // The server may not have executed it yet: the repetition waits for it, or is executed first.
    expect(await remote.add(first)).to.be.oneOf(['repeated', 'added']);
    expect((await db.of(key)).total).to.equal(1);
    await remote.of('warm-up');
    const second = { source, seq: 2, links: linksOf(key) };
    expect(await loseRequest(wire, async () => errorOf(remote.add(second)))).to.be.instanceOf(
      OutcomeUnknownError,
    );
    expect(await remote.add(second)).to.equal('added');
    expect((await db.of(key)).total).to.equal(2);
    const gone = new URL(url);
    gone.port = '1';
    expect(await errorOf(open(gone.href).add({ ...second, seq: 3 }))).to.be.instanceOf(StoreUnavailableError);
  });

  it('are added once each by several clients that repeat until the outcome is known, whatever is cut', async () => {
    await using wire = await startWire(url);
    const cuts = {
      now: () => wire.cut(),
      answer: () => loseNextAnswer(wire),
      inside: () => wire.cutAfter(20),
      turn: () => setImmediate(() => wire.cut()),
      none: () => undefined,
    };
    const kinds = fc.constantFrom(...(Object.keys(cuts) as (keyof typeof cuts)[]));
    const plan = fc.array(kinds, { minLength: 40, maxLength: 40 });
    const everyClickOnce = fc.asyncProperty(plan, async (steps) => {
      const keys = Array.from({ length: 30 }, randomKey);
      const flushAll = async (): Promise<void> => {
        const remote = open(through(wire, url));
        const source = newSource();
        for (const [index, kind] of steps.entries()) {
          cuts[kind]();
          const flush = { source, seq: index + 1, links: keys.flatMap((key) => linksOf(key, index + 1)) };
          while ((await errorOf(remote.add(flush))) !== undefined);
        }
      };
      await Promise.all([flushAll(), flushAll(), flushAll()]);
      const expected = 3 * steps.reduce((sum, _, index) => sum + index + 1, 0);
      for (const key of keys) expect((await db.of(key)).total).to.equal(expected);
    });
    await fc.assert(everyClickOnce, { numRuns: 1, endOnFailure: true });
  }).timeout(60_000);

  it('and binds of links do not wait for each other', async () => {
    const dbs = new OpenUrlsDbs();
    const urlsDb = dbs.open(url);
    await urlsDb.verifySlots();
    const key = randomKey();
    await urlsDb.insert([linkRow(key)]);
    await withSql(url, async (sql) => {
      // A bind of the same key that is not committed yet.
      const held = sql.query(
        `SELECT SLEEP(1) FROM urls WHERE slot = ${slotOf(key)} AND unique_id = ? FOR UPDATE`,
        [key],
      );
      expect(await db.add({ source: newSource(), seq: 1, links: linksOf(key) })).to.equal('added');
      let isHeld = true;
      void held.then(() => (isHeld = false));
      await db.of(key);
      expect(isHeld).to.equal(true);
      await held;
    });
    await dbs.closeAll();
  });

  it('leave marks, which are pruned long after their source has ended', async () => {
    const [old, recent] = [newSource(), newSource()];
    for (const source of [old, recent]) await db.add({ source, seq: 1, links: linksOf(randomKey()) });
    await withSql(url, async (sql) => {
      await sql.execute(
        'UPDATE click_flushes SET flushed_at = flushed_at - INTERVAL 31 DAY WHERE source = ?',
        [old],
      );
      expect(await db.prune()).to.equal(1);
      expect(
        await sql.query('SELECT 1 AS found FROM click_flushes WHERE source = ?', [recent]),
      ).to.have.length(1);
    });
  });
});
