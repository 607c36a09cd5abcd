import { expect } from 'chai';
import { OutcomeUnknownError, StoreUnavailableError } from '../../../db/store-errors.ts';
import { openVisitsDb, type VisitsDb } from '../../../db/urls/visits.ts';
import type { FaultyProxy } from '../../../drills/proxy/proxy.ts';
import {
  LimitedVisits,
  type VisitOutcome,
  type VisitsServer,
} from '../../../mapper/visits/limited-visits.ts';
import { monotonicMs } from '../../../runtime/clock.ts';
import { emptyUrlsDatabase, linkRow, OpenUrlsDbs, randomKey, withSql } from '../../db/urls-fixture.ts';
import { startWire, through } from '../../db/wire.ts';
import { ranMs } from '../../ran-ms.ts';
import { until } from '../../until.ts';

/** Somebody who waits, without a deadline. */
const IN_TIME = { isGone: (): boolean => false, untilMs: Number.POSITIVE_INFINITY };

describe('visits of links that may be followed a limited number of times', function () {
  this.timeout(60_000);
  let url: string;
  let wire: FaultyProxy;
  let dbs: OpenUrlsDbs;
  let visitDbs: VisitsDb[];

  before(async () => {
    url = await emptyUrlsDatabase();
    wire = await startWire(url);
    dbs = new OpenUrlsDbs();
    visitDbs = [];
  });

  afterEach(() => wire.heal());

  after(async () => {
    await Promise.all([dbs.closeAll(), ...visitDbs.map(async (db) => db.close())]);
    await wire.stop();
  });

  interface TestVisits extends LimitedVisits {
    readonly outcomes: Map<VisitOutcome, number>;
    readonly server: VisitsServer & { isWritable: boolean };
  }

  /** One mapper's view. */
  function openVisits({ queueLimit = 1_000, isOnWire = false } = {}): TestVisits {
    const visits = openVisitsDb({ name: 'urls-1', url: isOnWire ? through(wire, url) : url });
    visitDbs.push(visits);
    const server = { visits, isWritable: true };
    const outcomes = new Map<VisitOutcome, number>();
    const made = new LimitedVisits({
      serverFor: () => server,
      queueLimit,
      onOutcome: (outcome, count) => outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + count),
      now: monotonicMs,
    });
    return Object.assign(made, { outcomes, server });
  }

  /** A link with so many visits left. */
  async function makeLink(visitsLeft: number): Promise<{ key: string; state: string }> {
    const row = linkRow(randomKey());
    await dbs.open(url).insert([row]);
    await write('SET visits_left = ?', visitsLeft, row.key);
    return { key: row.key, state: row.requestId };
  }

  async function write(set: string, value: string | number | Buffer | null, key: string): Promise<void> {
    await withSql(url, async (sql) => sql.execute(`UPDATE urls ${set} WHERE unique_id = ?`, [value, key]));
  }

  async function leftOf(key: string): Promise<number> {
    return withSql(url, async (sql) => {
      const [row] = await sql.query<{ visits_left: number }>(
        'SELECT visits_left FROM urls WHERE unique_id = ?',
        [key],
      );
      return row?.visits_left ?? Number.NaN;
    });
  }

  /** The outcomes of so many visitors at the same time, in turns at each of these mappers. */
  async function visitAll(
    mappers: readonly LimitedVisits[],
    link: { key: string; state: string },
    count: number,
  ): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const mapper = mappers[index % mappers.length] as LimitedVisits;
        const outcome = await mapper.take({ ...link, ...IN_TIME }).catch((error: unknown) => {
          return error instanceof OutcomeUnknownError ? 'unknown' : 'unavailable';
        });
        counts[outcome] = (counts[outcome] ?? 0) + 1;
      }),
    );
    return counts;
  }

  it('are given exactly: one to 200 at the same time on 4 mappers', async () => {
    const link = await makeLink(1);
    const mappers = Array.from({ length: 4 }, () => openVisits());
    expect(await visitAll(mappers, link, 200)).to.deep.equal({ given: 1, 'used-up': 199 });
    expect(await leftOf(link.key)).to.equal(0);
    expect(mappers.map(({ lines }) => lines)).to.deep.equal([0, 0, 0, 0]);
  });

  it('are given exactly: 150 to 400 at the same time on 4 mappers, which share statements', async () => {
    const link = await makeLink(150);
    const mappers = Array.from({ length: 4 }, () => openVisits());
    const before = await updates();
    expect(await visitAll(mappers, link, 400)).to.deep.equal({ given: 150, 'used-up': 250 });
    expect(await leftOf(link.key)).to.equal(0);
    expect((await updates()) - before).to.be.below(60);
  });

  async function updates(): Promise<number> {
    return withSql(url, async (sql) => {
      const [row] = await sql.query<{ Value: string }>("SHOW GLOBAL STATUS LIKE 'Com_update'");
      return Number(row?.Value);
    });
  }

  it('are refused to those who were judged by an older state, and to those of a deleted link', async () => {
    const visits = openVisits();
    const link = await makeLink(5);
    await write('SET changed_by = ?', Buffer.alloc(16, 7), link.key);
    expect(await visits.take({ ...link, ...IN_TIME })).to.equal('changed');
    const newer = { ...link, state: '07'.repeat(16) };
    expect(await visits.take({ ...newer, ...IN_TIME })).to.equal('given');
    await write('SET deleted_at = NOW(3), title = ?', null, link.key);
    expect(await visits.take({ ...newer, ...IN_TIME })).to.equal('changed');
    expect(await visits.take({ key: randomKey(), state: link.state, ...IN_TIME })).to.equal('changed');
    expect(await leftOf(link.key)).to.equal(4);
  });

  it('may be lost with the answer of the store, are counted then, and are never given twice', async () => {
    const link = await makeLink(10);
    const visits = openVisits({ isOnWire: true });
    expect(await visits.take({ ...link, ...IN_TIME })).to.equal('given');
    wire.cutBeforeReplyTo((sent) => sent.includes('UPDATE urls'));
    expect(await visitAll([visits], link, 1)).to.deep.equal({ unknown: 1 });
    expect(await leftOf(link.key)).to.equal(8);
    expect(await visitAll([visits], link, 20)).to.deep.equal({ given: 8, 'used-up': 12 });
    expect(Object.fromEntries(visits.outcomes)).to.deep.equal({ given: 9, unknown: 1, 'used-up': 12 });
  });

  it('are refused at once while the server is down', async () => {
    const link = await makeLink(1);
    const visits = openVisits();
    visits.server.isWritable = false;
    expect(await visitAll([visits], link, 3)).to.deep.equal({ unavailable: 3 });
    expect(visits.outcomes.get('unavailable')).to.equal(3);
    visits.server.isWritable = true;
    expect(await visits.take({ ...link, ...IN_TIME })).to.equal('given');
  });

  it('wait in a bounded queue', async () => {
    const link = await makeLink(100);
    const visits = openVisits({ queueLimit: 5 });
    expect(await visitAll([visits], link, 20)).to.deep.equal({ given: 5, unavailable: 15 });
    expect(await visitAll([visits], link, 5)).to.deep.equal({ given: 5 });
  });

  it('are refused in time by a server that does not answer', async () => {
    const link = await makeLink(100);
    const visits = openVisits({ isOnWire: true });
    expect(await visits.take({ ...link, ...IN_TIME })).to.equal('given');
    wire.silence();
    const startedMs = ranMs();
    expect(await visitAll([visits], link, 3)).to.include({ unknown: 1 });
    expect(ranMs() - startedMs).to.be.below(6_000);
  });

  it('are not taken for clients that have gone', async () => {
    const link = await makeLink(2);
    const visits = openVisits();
    let isGone = false;
    const first = visits.take({ ...link, ...IN_TIME });
    const second = visits
      .take({ ...link, ...IN_TIME, isGone: () => isGone })
      .catch((error: unknown) => error);
    isGone = true;
    expect(await first).to.equal('given');
    expect(await second).to.be.instanceOf(StoreUnavailableError);
    await until('the line to end', () => visits.lines === 0);
    expect(await leftOf(link.key)).to.equal(1);
    expect(visits.outcomes.get('gone')).to.equal(1);
  });

  it('are not taken for somebody who must be answered before the store may have said it', async () => {
    const link = await makeLink(2);
    const visits = openVisits();
    const late = { ...IN_TIME, untilMs: monotonicMs() + 2_000 };
    const error: unknown = await visits.take({ ...link, ...late }).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(StoreUnavailableError);
    expect(await leftOf(link.key)).to.equal(2);
    expect(visits.outcomes.get('unavailable')).to.equal(1);
  });
});
