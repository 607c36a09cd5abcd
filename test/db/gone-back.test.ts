import { expect } from 'chai';
import { audit } from '../../db/audit/audit.ts';
import { SuspectSearch, type SuspectSearchOptions } from '../../db/audit/suspect-search.ts';
import { UrlsWatch, type UrlsWatchOptions } from '../../db/audit/urls-watch.ts';
import type { KeysDb } from '../../db/keys-db/keys-db.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import { searchOptions, testSystem, type TestSystem } from './audit-fixture.ts';
import { createLog, type Log } from '../../runtime/log.ts';
import { keyspace, log } from './keys-db-fixture.ts';
import { rejection } from './rejection.ts';
import { LOWER, withSql } from './urls-fixture.ts';

const TABLES = ['urls', 'marks', 'server'];

function firstKeysDb(system: TestSystem): KeysDb {
  return system.shards[0]?.db ?? expect.fail();
}

function searchOf(system: TestSystem, options: Partial<SuspectSearchOptions> = {}): SuspectSearch {
  return new SuspectSearch({ ...searchOptions(system), ...options });
}

/** A watch of the first keys-db, and the changes and alarms that it reports. */
function watchOf(system: TestSystem, options: Partial<UrlsWatchOptions> = {}) {
  const changes: string[] = [];
  const alarms: string[] = [];
  const watch = new UrlsWatch({
    keysDb: firstKeysDb(system),
    epoch: 1,
    urlsDbs: system.urlsDbs,
    log,
    onChange: (urlsDb, kind) => changes.push(`${urlsDb} ${kind}`),
    onAlarms: (names) => alarms.splice(0, alarms.length, ...names),
    ...options,
  });
  return { watch, changes, alarms };
}

/** Runs a statement on the first urls server. */
async function onFirst(system: TestSystem, ...statements: string[]): Promise<void> {
  await withSql(system.urlsDbUrls[0] ?? expect.fail(), async (sql) => {
    for (const statement of statements) await sql.execute(statement);
  });
}

/** Copies the tables of the first urls server. The result puts them back in one statement. */
async function backUp(system: TestSystem): Promise<() => Promise<void>> {
  await onFirst(
    system,
    ...TABLES.flatMap((table) => [
      `CREATE TABLE old_${table} LIKE ${table}`,
      `INSERT INTO old_${table} SELECT * FROM ${table}`,
    ]),
  );
  const moves = TABLES.map((table) => `${table} TO newer_${table}, old_${table} TO ${table}`);
  return async () => onFirst(system, `RENAME TABLE ${moves.join(', ')}`);
}

/** Issues keys, takes all from the pools, and binds them. */
async function publish(system: TestSystem, count: number): Promise<string[]> {
  await system.issue(0, count);
  const taken = await Promise.all(system.pools.map(async (pool) => (await pool.take(100_000)).keys));
  await system.bind(taken.flat());
  return taken.flat();
}

function onFirstServer(keys: readonly string[]): string[] {
  return keys.filter((key) => LOWER.includes(slotOf(key)));
}

describe('a urls server that has gone back', () => {
  it('gets its missing keys written off, each search and the audit say so, and others are recycled', async () => {
    await using system = await testSystem();
    const { watch, changes, alarms } = watchOf(system);
    await publish(system, 100);
    await watch.beat();
    const restore = await backUp(system);
    await watch.beat();
    const published = onFirstServer(await publish(system, 200));
    await restore();
    await system.issue(0, 100);
    // Issued before the change was noticed, like the published keys: nobody can tell these apart.
    const { keys: leakedBefore } = (await system.pools[0]?.take(20)) ?? expect.fail();
    const search = searchOf(system, { watch });
    await search.run();
    expect(changes).to.deep.equal(['urls-1 gone-back']);
    expect(alarms).to.deep.equal(['urls-1']);
    const elsewhere = leakedBefore.length - onFirstServer(leakedBefore).length;
    expect(await search.run()).to.deep.include({ isComplete: true, missing: elsewhere });
    const due = new Set((await search.run()).due);
    expect(due.size).to.equal(elsewhere);
    for (const key of published) expect(due.has(keyspace.locate(key)?.id ?? 0)).to.equal(false);
    await system.pools[0]?.putBack(leakedBefore);
    await publish(system, 100);
    await system.issue(0, 100);
    const { keys: leakedAfter } = (await system.pools[1]?.take(10)) ?? expect.fail();
    expect(await search.run()).to.deep.include({ missing: leakedAfter.length });
    expect(await audit(system.sources)).to.include({
      balanced: true,
      written_off: published.length,
      leaked: leakedAfter.length,
    });
    expect(changes).to.have.length(1);
  });

  for (const [what, ...statements] of [
    ['a lower mark', 'UPDATE marks SET beat = beat - 1'],
    ['no mark', 'DELETE FROM marks'],
    ['another incarnation', "UPDATE server SET incarnation = 'another'"],
    ['no incarnation', 'DELETE FROM server'],
  ] as const) {
    it(`is noticed by ${what}, once`, async () => {
      await using system = await testSystem();
      const { watch, changes } = watchOf(system);
      await watch.beat();
      await watch.beat();
      await onFirst(system, ...statements);
      expect([...(await watch.look())]).to.deep.equal([]);
      expect(changes).to.deep.equal(['urls-1 gone-back']);
      await watch.look();
      await watch.beat();
      expect(changes).to.have.length(1);
    });
  }

  it('gets a new incarnation where it has none, the same one for all holders, so the next change is seen', async () => {
    await using system = await testSystem();
    const holders = [0, 1].map((index) =>
      watchOf(system, { keysDb: system.shards[index]?.db ?? expect.fail() }),
    );
    for (const { watch } of holders) await watch.beat();
    await onFirst(system, 'DELETE FROM server');
    await Promise.all(holders.map(async ({ watch }) => watch.beat()));
    for (const { watch } of holders) await watch.look();
    expect(holders.map(({ changes }) => changes)).to.deep.equal([['urls-1 gone-back'], ['urls-1 gone-back']]);
    const stored = (await system.urlsDbs[0]?.mark('keys-db-1'))?.incarnation;
    expect(stored).to.match(/^[0-9a-f]{32}$/);
    for (const { db } of system.shards)
      expect((await db.keptMarks()).get('urls-1')?.incarnation).to.equal(stored);
    await onFirst(system, "UPDATE server SET incarnation = 'another'");
    for (const { watch, changes } of holders) {
      await watch.look();
      expect(changes).to.have.length(2);
    }
  });

  for (const beat of ['18446744073709551615', '9007199254740992', '5000000000']) {
    it(`is not judged by an impossible mark (${beat}), which is named once and stops recycling`, async () => {
      await using system = await testSystem();
      const lines: string[] = [];
      const told = createLog('test', 'gone-back', 'silent');
      told.error = told.info = ((fields: object, text: string) =>
        lines.push(`${text} ${JSON.stringify(fields)}`)) as unknown as Log['error'];
      const { watch, changes } = watchOf(system, { log: told });
      await watch.beat();
      await onFirst(system, `UPDATE marks SET beat = ${beat}`);
      for (let time = 0; time < 3; time += 1) await watch.beat();
      expect(lines).to.have.length(1);
      expect(lines[0]).to.include(`beat of keys-db-1 in marks is `).and.include(beat);
      const search = await searchOf(system, { watch }).run();
      expect(search).to.deep.include({ isComplete: false, unreachable: ['urls-1'] });
      expect(search.reasons?.get('urls-1')).to.include('urls-1 holds an impossible value: beat of keys-db-1');
      const kept = await firstKeysDb(system).keptMarks();
      expect([...kept].map(([name, mark]) => `${name} ${mark.beat}`)).to.have.members([
        'urls-1 1',
        'urls-2 4',
      ]);
      await onFirst(system, 'UPDATE marks SET beat = 1');
      expect([...(await watch.look())]).to.deep.equal([]);
      expect(lines[1]).to.include('used again');
      expect(changes).to.deep.equal([]);
    });
  }

  it('is not judged by an impossible kept mark, which is named', async () => {
    await using system = await testSystem();
    const { watch, changes } = watchOf(system);
    await watch.beat();
    await system.shards[0]?.sql.execute(
      "UPDATE kept_marks SET beat = 9007199254740992 WHERE urls_db = 'urls-1'",
    );
    const error = await rejection(watch.look());
    expect(error.message).to.include('keys-db-1 holds an impossible value: beat of urls-1 in kept_marks');
    expect(changes).to.deep.equal([]);
  });

  it('writes nothing off by an impossible record, which is named', async () => {
    await using system = await testSystem();
    const { watch } = watchOf(system);
    await watch.beat();
    await onFirst(system, 'UPDATE marks SET beat = 0');
    await watch.look();
    await system.shards[0]?.sql.execute('UPDATE write_offs SET claimed_to = 18446744073709551615');
    const error = await rejection(searchOf(system, { watch }).run());
    expect(error.message).to.include(
      'keys-db-1 holds an impossible value: claimed_to of urls-1 in write_offs',
    );
  });

  for (const [column, value, kind] of [
    ['host', "'elsewhere'", 'gone-back'],
    ['port', '1', 'gone-back'],
    ['server_id', '4711', 'gone-back'],
    ['started_s', 'started_s - 60', 'restarted'],
  ] as const) {
    it(`is ${kind} when its ${column} differs from the kept one`, async () => {
      await using system = await testSystem();
      const { watch, changes, alarms } = watchOf(system);
      await watch.beat();
      await system.shards[0]?.sql.execute(
        `UPDATE kept_marks SET ${column} = ${value} WHERE urls_db = 'urls-1'`,
      );
      await watch.look();
      expect(changes).to.deep.equal([`urls-1 ${kind}`]);
      expect(alarms).to.deep.equal(kind === 'restarted' ? [] : ['urls-1']);
      const { writeOffs } = await firstKeysDb(system).writeOffs();
      expect(writeOffs.map(({ urlsDb }) => urlsDb)).to.deep.equal(['urls-1']);
      await watch.look();
      expect(changes).to.have.length(1);
    });
  }

  it('is new, and nothing is written off, when a look comes before the first beat', async () => {
    await using system = await testSystem();
    const { watch, changes } = watchOf(system);
    for (const step of ['look', 'look', 'beat', 'look', 'beat'] as const) await watch[step]();
    expect(changes).to.deep.equal([]);
    const kept = await firstKeysDb(system).keptMarks();
    expect([...kept].map(([name, { beat }]) => `${name} ${beat}`)).to.have.members(['urls-1 3', 'urls-2 3']);
  });

  it('is recorded before its new state is kept: a holder that stops in between loses no evidence', async () => {
    await using system = await testSystem();
    const { watch } = watchOf(system);
    for (let beat = 1; beat <= 3; beat += 1) await watch.beat();
    await onFirst(system, 'UPDATE marks SET beat = 0');
    const keysDb = firstKeysDb(system);
    const stop = async (): Promise<never> => Promise.reject(new Error('stopped here'));
    const unrecorded = watchOf(system, { keysDb: { ...keysDb, recordWriteOff: stop } });
    expect((await rejection(unrecorded.watch.beat())).message).to.equal('stopped here');
    // Nobody counts up a mark that has gone back before the record exists.
    expect((await system.urlsDbs[0]?.mark('keys-db-1'))?.beat).to.equal(0);
    const unkept = watchOf(system, { keysDb: { ...keysDb, keepMark: stop } });
    expect((await rejection(unkept.watch.beat())).message).to.equal('stopped here');
    expect(unkept.changes).to.deep.equal(['urls-1 gone-back']);
    const next = watchOf(system);
    await next.watch.beat();
    expect(next.changes, 'a holder after both').to.deep.equal(['urls-1 gone-back']);
  });

  it('is not judged by a reign that is over', async () => {
    await using system = await testSystem();
    const { watch } = watchOf(system);
    await watch.beat();
    await firstKeysDb(system).raiseEpoch({ czxid: 99n, ensemble: 'ensemble-a', owner: 'producer-2' });
    await onFirst(system, 'UPDATE marks SET beat = 0');
    expect(await rejection(watch.look())).to.have.property('code', 'FENCED');
    expect((await firstKeysDb(system).writeOffs()).writeOffs).to.deep.equal([]);
    const next = watchOf(system, { epoch: 2 });
    await next.watch.look();
    expect(next.changes).to.deep.equal(['urls-1 gone-back']);
  });

  it('lets a search conclude nothing while it has no marks, as after a backup of an older version', async () => {
    await using system = await testSystem();
    await system.issue(0, 100);
    await system.pools[0]?.take(5);
    await onFirst(system, 'DROP TABLE marks');
    expect(await searchOf(system).run()).to.deep.include({ isComplete: false, unreachable: ['urls-1'] });
  });
});

describe('a link whose row was deleted', () => {
  it('keeps its key if a search saw it, and is reported once', async () => {
    await using system = await testSystem();
    const published = await publish(system, 100);
    const gone: number[] = [];
    const onLinksGone = (links: number): void => void gone.push(links);
    const search = searchOf(system, { onLinksGone });
    await search.run();
    await system.issue(0, 50);
    const { keys: leaked } = (await system.pools[0]?.take(5)) ?? expect.fail();
    await onFirst(system, 'DELETE FROM urls');
    const lost = onFirstServer(published).length;
    for (let pass = 0; pass < 3; pass += 1)
      expect(await search.run()).to.deep.include({ missing: leaked.length });
    expect(gone).to.deep.equal([lost]);
    expect(await searchOf(system).run(), 'a later reign').to.deep.include({ missing: leaked.length });
    expect(await audit(system.sources)).to.include({
      balanced: true,
      written_off: lost,
      leaked: leaked.length,
    });
  });

  it('keeps its key for ever in a range that is settled', async () => {
    await using system = await testSystem({ keysPerShard: 12_000 });
    await publish(system, 11_000);
    const search = searchOf(system);
    await search.run();
    const keysDb = firstKeysDb(system);
    expect(await keysDb.settledRanges()).to.deep.equal([0]);
    expect([...(await keysDb.seenBound([0, 1])).keys()], 'a settled range needs no bits').to.deep.equal([1]);
    await onFirst(system, 'DELETE FROM urls WHERE slot = 3');
    expect(await search.run()).to.deep.include({ missing: 0 });
    const report = await audit(system.sources);
    expect(report).to.include({ balanced: true, leaked: 0 });
    expect(report.written_off).to.be.greaterThan(300);
  });

  it('does not keep its range from being settled', async () => {
    await using system = await testSystem({ keysPerShard: 12_000 });
    const published = await publish(system, 11_000);
    const [first = expect.fail()] = published.filter((key) => (keyspace.locate(key)?.id ?? 0) <= 9_000);
    const search = searchOf(system);
    system.reserves.set('mapper-1', [published.find((key) => key !== first) ?? '']);
    await search.run();
    expect(await firstKeysDb(system).settledRanges()).to.deep.equal([]);
    await withSql(system.urlsDbUrls[LOWER.includes(slotOf(first)) ? 0 : 1] ?? '', async (sql) =>
      sql.execute('DELETE FROM urls WHERE unique_id = ?', [first]),
    );
    system.reserves.clear();
    await search.run();
    expect(await firstKeysDb(system).settledRanges()).to.deep.equal([0]);
  });
});

describe('a claim of recycled keys', () => {
  it('is refused when keys were written off since these were judged', async () => {
    await using system = await testSystem();
    await system.issue(0, 100);
    await system.pools[0]?.take(5);
    const search = searchOf(system);
    await search.run();
    const { due, version } = await search.run();
    expect(due).to.have.length(5);
    const keysDb = firstKeysDb(system);
    const restored = { urlsDb: 'urls-1', slots: LOWER, kind: 'restored' as const, reason: '' };
    const { claimedTo } = await keysDb.ownership();
    expect(await keysDb.recordWriteOff(restored)).to.equal(claimedTo);
    const parts = [{ pool: 'redis-1', seq: 9 }];
    const { lastBatch } = await keysDb.logEnd();
    expect(await keysDb.claimRecycled({ epoch: 1, ids: due, parts, version })).to.equal(undefined);
    expect((await keysDb.logEnd()).lastBatch).to.equal(lastBatch);
    const again = await search.run();
    expect(again.due.length).to.be.lessThan(5);
    const error = await rejection(
      keysDb.claimRecycled({ epoch: 9, ids: due, parts, version: again.version }),
    );
    expect(error).to.have.property('code', 'FENCED');
    const claim = { epoch: 1, ids: [1], parts, version: again.version };
    expect(await keysDb.claimRecycled(claim)).to.have.property('kind', 'recycled');
  });
});
