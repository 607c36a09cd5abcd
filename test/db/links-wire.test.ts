import { expect } from 'chai';
import * as fc from 'fast-check';
import { DuplicateRowError, OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import type { UrlsDb } from '../../db/urls/links.ts';
import { errorOf } from './outcome.ts';
import { emptyUrlsDatabase, linkRow, OpenUrlsDbs, randomKey } from './urls-fixture.ts';
import { loseNextAnswer, loseRequest, startWire, through } from './wire.ts';

describe('a urls database behind a network that fails', () => {
  const dbs = new OpenUrlsDbs();
  let url: string;
  let db: UrlsDb;

  before(async () => {
    url = await emptyUrlsDatabase();
  });

  beforeEach(() => {
    db = dbs.open(url);
  });

  afterEach(async () => {
    await dbs.closeAll();
  });

  it('does not know the outcome when the answer is lost. A repetition shows that the rows are bound', async () => {
    await using wire = await startWire(url);
    const remote = dbs.open(through(wire, url));
    const create = () => [linkRow(randomKey()), linkRow(randomKey())];
    // The first INSERT of two rows is prepared before it is executed.
    await remote.insert(create());
    const rows = create();
    loseNextAnswer(wire);
    expect(await errorOf(remote.insert(rows))).to.be.instanceOf(OutcomeUnknownError);
    expect(await errorOf(remote.insert(rows))).to.be.instanceOf(DuplicateRowError);
    const found = await remote.find(rows.map((row) => row.key));
    expect(found.map((link) => link.requestId).sort()).to.deep.equal(rows.map((row) => row.requestId).sort());
  });

  it('does not know the outcome when the request is lost. A repetition binds the rows', async () => {
    await using wire = await startWire(url);
    const remote = dbs.open(through(wire, url));
    await remote.find(['warm-up']);
    const rows = [linkRow(randomKey()), linkRow(randomKey())];
    const outcome = await loseRequest(wire, async () => errorOf(remote.insert(rows)));
    expect(outcome).to.be.instanceOf(OutcomeUnknownError);
    expect(await db.find(rows.map((row) => row.key))).to.deep.equal([]);
    await remote.insert(rows);
    expect(await db.find(rows.map((row) => row.key))).to.have.length(2);
  });

  it('does not know the outcome when the server does not answer in time', async () => {
    await using wire = await startWire(url);
    const remote = dbs.open(through(wire, url));
    await remote.find(['warm-up']);
    wire.delay(300);
    const rows = [linkRow(randomKey())];
    expect(await errorOf(remote.insert(rows, { timeoutMs: 200 }))).to.be.instanceOf(OutcomeUnknownError);
    wire.heal();
    // It may still happen: repeat the same rows until one of the two has bound them.
    const again = await errorOf(remote.insert(rows));
    if (again !== undefined) expect(again).to.be.instanceOf(DuplicateRowError);
    const [bound] = await db.find(rows.map((row) => row.key));
    expect(bound?.requestId).to.equal(rows[0]?.requestId);
  });

  it('binds every row exactly once for a binder that repeats and then reads, whatever is cut', async () => {
    await using wire = await startWire(url);
    const remote = dbs.open(through(wire, url));
    const cuts = {
      now: () => wire.cut(),
      answer: () => loseNextAnswer(wire),
      turn: () => setImmediate(() => wire.cut()),
      none: () => undefined,
    };
    const kinds = fc.constantFrom(...(Object.keys(cuts) as (keyof typeof cuts)[]));
    const plan = fc.array(kinds, { minLength: 40, maxLength: 40 });
    const everyRowOnce = fc.asyncProperty(plan, async (steps) => {
      for (const kind of steps) {
        const rows = Array.from({ length: 20 }, () => linkRow(randomKey()));
        cuts[kind]();
        let error = await errorOf(remote.insert(rows));
        while (error !== undefined && !(error instanceof DuplicateRowError))
          error = await errorOf(remote.insert(rows));
        const bound = await db.find(rows.map((row) => row.key));
        expect(bound.map((link) => link.requestId)).to.have.members(rows.map((row) => row.requestId));
      }
    });
    await fc.assert(everyRowOnce, { numRuns: 1, endOnFailure: true });
  });

  it('reports a read that was cut off as unavailable: it may be repeated', async () => {
    await using wire = await startWire(url);
    const remote = dbs.open(through(wire, url));
    await remote.find(['warm-up']);
    loseNextAnswer(wire);
    expect(await errorOf(remote.find([randomKey()]))).to.be.instanceOf(StoreUnavailableError);
    expect(await remote.find([randomKey()])).to.deep.equal([]);
  });

  it('is unavailable when nothing listens, and when the server accepts but never sends its greeting', async () => {
    const gone = new URL(url);
    gone.port = '1';
    expect(await errorOf(dbs.open(gone.href).insert([linkRow(randomKey())]))).to.be.instanceOf(
      StoreUnavailableError,
    );
    await using wire = await startWire(url);
    wire.silence();
    const silent = dbs.open(through(wire, url));
    const row = linkRow(randomKey());
    expect(await errorOf(silent.insert([row], { timeoutMs: 200 }))).to.be.instanceOf(StoreUnavailableError);
    expect(await db.find([row.key])).to.deep.equal([]);
  });
});
