import { expect } from 'chai';
import { openOwnLinksDb, type OwnLinksDb } from '../../db/own-links/own-links-db.ts';
import type { OwnedRow } from '../../db/own-links/owned-insert.ts';
import { openMysql } from '../../db/mysql/mysql.ts';
import { DuplicateRowError, OutcomeUnknownError } from '../../db/store-errors.ts';
import { isLinkInsert, isOwnedInsert } from '../../drills/proxy/proxy.ts';
import { ALL_SLOTS } from '../../runtime/config/slots.ts';
import { until } from '../until.ts';
import { errorOf } from './outcome.ts';
import { emptyUrlsDatabase, linkRow, randomKey, withSql } from './urls-fixture.ts';
import { startWire, through } from './wire.ts';

const OWNER = 2n ** 63n + 7n;

function ownedRow(fields: Partial<OwnedRow> = {}): OwnedRow {
  return { ...linkRow(randomKey()), userId: OWNER, title: null, tags: [], rules: {}, ...fields };
}

function ownedRows(count: number): OwnedRow[] {
  return Array.from({ length: count }, () => ownedRow());
}

describe('links with an owner in a urls database', () => {
  const opened: OwnLinksDb[] = [];
  let url: string;
  let db: OwnLinksDb;

  before(async () => {
    url = await emptyUrlsDatabase();
  });

  beforeEach(() => {
    db = open(url);
  });

  afterEach(async () => {
    await Promise.all(opened.splice(0).map(async (one) => one.close()));
  });

  function open(address: string): OwnLinksDb {
    const one = openOwnLinksDb({ name: 'urls-1', url: address, slots: ALL_SLOTS, timeoutMs: 1_500 });
    opened.push(one);
    return one;
  }

  /** What is stored of rows, in the order of their keys: in `urls`, and in the list of their owner. */
  async function stored(rows: readonly OwnedRow[]): Promise<{ links: object[]; places: object[] }> {
    const keys = rows.map(({ key }) => key);
    return withSql(url, async (sql) => ({
      links: await sql.query('SELECT * FROM urls WHERE unique_id IN (?) ORDER BY unique_id', [keys]),
      places: await sql.query('SELECT * FROM owned WHERE unique_id IN (?) ORDER BY unique_id', [keys]),
    }));
  }

  async function counts(rows: readonly OwnedRow[]): Promise<[links: number, places: number]> {
    const { links, places } = await stored(rows);
    return [links.length, places.length];
  }

  async function countExecuted(work: () => Promise<void>): Promise<number> {
    return withSql(url, async (admin) => {
      const read = async (): Promise<number> => {
        const sql = "SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'";
        return Number((await admin.query<{ Value: string }>(sql))[0]?.Value);
      };
      const before = await read();
      await work();
      return (await read()) - before;
    });
  }

  it('are the same by prepared statements as by text', async () => {
    const rows = ownedRows(5);
    expect(await countExecuted(async () => db.insert(rows))).to.be.at.least(2);
    const prepared = await stored(rows);
    await withSql(url, async (sql) => {
      for (const table of ['urls', 'owned']) await sql.execute(`DELETE FROM ${table}`);
    });
    await db.insertMany(rows);
    expect(prepared).to.deep.equal(await stored(rows));
    expect(prepared.places).to.have.length(5);
  });

  for (const [what, rows] of [
    ['many of them', ownedRows(65)],
    ['one with a title', [ownedRow(), ownedRow({ title: 'A title' })]],
    ['one with a tag', [ownedRow(), ownedRow({ tags: ['red'] })]],
    ['one with a rule', [ownedRow({ rules: { noindex: true } })]],
    ['one without an owner', [ownedRow(), ownedRow({ userId: null, rules: { noindex: true } })]],
    ['one that expires', [ownedRow({ expiresAt: new Date('2031-01-01') }), ownedRow()]],
    ['one whose key was chosen', [ownedRow({ alias: true })]],
  ] as const)
    it(`are text for ${what}`, async () => {
      await db.insert(rows);
      expect(await counts(rows)).to.deep.equal([rows.length, rows.filter(({ userId }) => userId).length]);
      const [{ title, alias } = {}] = (await stored(rows.slice(-1))).links as Partial<OwnedRow>[];
      expect(title).to.equal(rows.at(-1)?.title);
      expect(Boolean(alias)).to.equal(rows.at(-1)?.alias ?? false);
    });

  it('are all left out when one of them is there already', async () => {
    const [taken, ...others] = ownedRows(20);
    if (taken === undefined) return;
    await db.insert([taken]);
    const rows = [...others.slice(0, 9), { ...taken, requestId: 'ab'.repeat(16) }, ...others.slice(9)];
    expect(await errorOf(db.insert(rows))).to.be.instanceOf(DuplicateRowError);
    expect(await counts(others)).to.deep.equal([0, 0]);
    await db.insert(others);
    expect(await counts(others)).to.deep.equal([19, 19]);
  });

  it('are all left out when one of them is in a list already', async () => {
    const rows = ownedRows(3);
    const [first] = rows;
    await db.insert(rows);
    await withSql(url, async (sql) => sql.execute('DELETE FROM urls'));
    await withSql(url, async (sql) =>
      sql.execute('DELETE FROM owned WHERE unique_id <> ?', [first?.key ?? '']),
    );
    expect(await errorOf(db.insert(rows))).to.be.instanceOf(DuplicateRowError);
    expect(await counts(rows)).to.deep.equal([0, 1]);
  });

  it('are left out, and not known to be, when the connection is lost before they are committed', async () => {
    for (const isLast of [isOwnedInsert, isLinkInsert]) {
      await using wire = await startWire(url);
      const remote = open(through(wire, url));
      await remote.insert(ownedRows(2));
      const rows = ownedRows(2);
      wire.silenceFrom(isLast);
      const outcome = errorOf(remote.insert(rows));
      await until('the silence', () => wire.isSilent);
      wire.cut();
      wire.heal();
      expect(await outcome).to.be.instanceOf(OutcomeUnknownError);
      expect(await counts(rows)).to.deep.equal([0, 0]);
      await remote.insert(rows);
      expect(await counts(rows)).to.deep.equal([2, 2]);
    }
  });

  it('are not known to be stored when an answer is lost, and stored once if they are repeated', async () => {
    await using wire = await startWire(url);
    const remote = open(through(wire, url));
    for (const [isAsked, isStored] of [
      [isOwnedInsert, false],
      [isLinkInsert, true],
    ] as const) {
      await remote.insert(ownedRows(2));
      const rows = ownedRows(2);
      wire.cutBeforeReplyTo(isAsked);
      expect(await errorOf(remote.insert(rows))).to.be.instanceOf(OutcomeUnknownError);
      const again = await errorOf(remote.insert(rows));
      if (isStored) expect(again).to.be.instanceOf(DuplicateRowError);
      else expect(again).to.equal(undefined);
      expect(await counts(rows)).to.deep.equal([2, 2]);
    }
  });

  it('leave nothing behind when they lose a deadlock, and are written then', async () => {
    const [first, second] = ownedRows(2).toSorted((a, b) => a.slot - b.slot);
    if (first === undefined || second === undefined) return;
    const sql = openMysql(url, { name: 'other', connections: 1 });
    try {
      const insert = async (key: string, slot: number): Promise<unknown> =>
        sql.execute(
          'INSERT INTO urls (slot, unique_id, created_at, request_id) VALUES (?, ?, UTC_TIMESTAMP(3), ?)',
          [slot, key, ''],
        );
      await sql.execute('START TRANSACTION');
      // The server ends the transaction that has written less.
      for (let at = 0; at < 20; at += 1) await insert(randomKey(), 0);
      await insert(second.key, second.slot);
      const written = db.insert([first, second]);
      await until('it to wait', async () => {
        const waits = await sql.query<{ Value: string }>(
          "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'",
        );
        return Number(waits[0]?.Value) > 0;
      });
      await insert(first.key, first.slot);
      await sql.execute('ROLLBACK');
      await written;
    } finally {
      await sql.close();
    }
    expect(await counts([first, second])).to.deep.equal([2, 2]);
  });

  it('are text from then on when the server prepares no statements', async () => {
    await withSql(url, async (admin) => {
      const [limit] = await admin.query<{ n: number }>('SELECT @@max_prepared_stmt_count AS n');
      const rows = ownedRows(2);
      await admin.execute('SET GLOBAL max_prepared_stmt_count = 0');
      try {
        await db.insert(rows);
      } finally {
        await admin.execute('SET GLOBAL max_prepared_stmt_count = ?', [limit?.n ?? 16_382]);
      }
      expect(await counts(rows)).to.deep.equal([2, 2]);
      expect(await countExecuted(async () => db.insert(ownedRows(2)))).to.equal(0);
      const refused = ownedRow({ longUrl: 'https://example.com/é' });
      const other = open(url);
      expect(await errorOf(other.insert([refused]))).to.have.property('code', 'STORE_REFUSED');
      // The text was refused too. So it was the row.
      expect(await countExecuted(async () => other.insert([ownedRow()]))).to.be.at.least(2);
    });
  });
});
