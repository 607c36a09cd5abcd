import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { createConnection } from 'mysql2/promise';
import { openImportsDb, slotOfImport, type ImportsDb } from '../../db/imports/imports-db.ts';
import { pruneImports } from '../../db/imports/prune-imports.ts';
import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { createImportsJob } from '../../mapper/jobs/imports-job.ts';
import { ALL_SLOTS } from '../../runtime/config/slots.ts';
import { migratedDatabase } from '../migrated-database.ts';
import { until } from '../until.ts';

const FIRST = { begunAt: new Date('2026-08-01T00:00:00.000Z'), batchCharacters: 1_000 };

describe('what is remembered of imports', () => {
  let url: string;
  let imports: ImportsDb;
  let sql: Mysql;

  before(async function () {
    this.timeout(30_000);
    url = await migratedDatabase('prune-imports', 'urls');
    imports = openImportsDb({ name: 'urls-1', url, slots: ALL_SLOTS });
    sql = openMysql(url, { name: 'jobs', canTransact: true, isolation: 'REPEATABLE READ' });
  });

  after(async () => {
    await sql.close();
    await imports.close();
  });

  /** An import with so many batches. @returns its id */
  async function add(batches: number): Promise<string> {
    const importId = randomBytes(16).toString('hex');
    await imports.begin(importId, FIRST);
    for (let batch = 0; batch < batches; batch += 1)
      await imports.insertBatch({ importId, batch }, { keys: '{}', outcome: null });
    return importId;
  }

  async function usedDaysAgo(importId: string, days: number): Promise<void> {
    await sql.execute(
      'UPDATE imports SET used_at = UTC_TIMESTAMP(3) - INTERVAL ? DAY WHERE slot = ? AND import_id = UNHEX(?)',
      [days, slotOfImport(importId), importId],
    );
  }

  async function batchesOf(importId: string): Promise<number> {
    const [row] = await sql.queryArrays<[number]>(
      'SELECT COUNT(*) FROM import_batches WHERE slot = ? AND import_id = UNHEX(?)',
      [slotOfImport(importId), importId],
    );
    return row?.[0] ?? -1;
  }

  it('goes some time after the last use, in small pieces', async () => {
    const [old, recent] = [await add(45), await add(3)];
    await usedDaysAgo(old, 91);
    await usedDaysAgo(recent, 89);
    const left: number[] = [];
    let position: string | undefined;
    do {
      position = await createImportsJob({}).step(sql, { position, doneAt: undefined }, () => undefined);
      left.push(await batchesOf(old));
    } while (position !== undefined);
    expect(left).to.deep.equal([25, 5, 0, 0]);
    expect(await imports.findBegun(old)).to.equal(undefined);
    expect(await batchesOf(recent)).to.equal(3);
    expect(await imports.findBegun(recent)).to.deep.equal(FIRST);
    // It begins again as a new one.
    const again = { begunAt: new Date('2026-11-29T00:00:00.000Z'), batchCharacters: 2_000 };
    expect(await imports.begin(old, again)).to.deep.equal(again);
    expect(await imports.begin(recent, again)).to.deep.equal(FIRST);
    await usedDaysAgo(recent, 89);
    expect(await pruneImports(sql, 90)).to.equal(false);
  });

  it('stays from the moment when the import begins again, also in the middle', async () => {
    const importId = await add(30);
    await usedDaysAgo(importId, 91);
    expect(await pruneImports(sql, 90)).to.equal(true);
    await imports.begin(importId, FIRST);
    expect(await pruneImports(sql, 90)).to.equal(false);
    expect(await batchesOf(importId)).to.equal(10);
  });

  it('waits for an import that begins at the same time', async () => {
    const importId = await add(2);
    await usedDaysAgo(importId, 91);
    const beginning = await createConnection(url);
    try {
      await beginning.beginTransaction();
      await beginning.execute(
        'UPDATE imports SET used_at = UTC_TIMESTAMP(3) WHERE slot = ? AND import_id = UNHEX(?)',
        [slotOfImport(importId), importId],
      );
      const pruning = pruneImports(sql, 90);
      await until('the deletion to wait', async () => {
        const [row] = await sql.queryArrays<[number]>(
          `SELECT COUNT(*) FROM information_schema.innodb_trx
           WHERE trx_state = 'LOCK WAIT' AND trx_query LIKE '%FROM imports%FOR UPDATE%'
             AND trx_query NOT LIKE '%innodb_trx%'`,
        );
        return row?.[0] === 1;
      });
      await beginning.commit();
      await pruning;
    } finally {
      await beginning.end();
    }
    expect(await batchesOf(importId)).to.equal(2);
  });

  it('has no end of batches by length when it began before there was one', async () => {
    const importId = randomBytes(16).toString('hex');
    // As a process from before does it.
    await sql.execute('INSERT INTO imports (slot, import_id, begun_at) VALUES (?, UNHEX(?), ?)', [
      slotOfImport(importId),
      importId,
      FIRST.begunAt,
    ]);
    expect(await imports.begin(importId, FIRST)).to.deep.equal({ ...FIRST, batchCharacters: null });
  });
});
