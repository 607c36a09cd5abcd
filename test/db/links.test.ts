import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { createConnection } from 'mysql2/promise';
import { slotOf } from '../../db/keyspace/placement.ts';
import { DuplicateRowError, StoreUnavailableError } from '../../db/store-errors.ts';
import type { LinkRow } from '../../db/urls/link.ts';
import { createLinks } from '../../db/urls/links-by-slot.ts';
import type { UrlsDb } from '../../db/urls/links.ts';
import { errorOf } from './outcome.ts';
import {
  emptyUrlsDatabase,
  keyIn,
  linkRow,
  LOWER,
  OpenUrlsDbs,
  randomKey,
  UPPER,
  withSql,
} from './urls-fixture.ts';

/** A transaction that has inserted `row` and is not committed. */
async function holdRow(url: string, row: LinkRow): Promise<AsyncDisposable & { letGo(): Promise<void> }> {
  const connection = await createConnection(url);
  await connection.query('START TRANSACTION');
  await connection.query(
    'INSERT INTO urls (slot, unique_id, created_at, request_id) VALUES (?, ?, NOW(3), ?)',
    [slotOf(row.key), row.key, Buffer.alloc(16)],
  );
  return {
    letGo: async () => {
      await connection.query('ROLLBACK');
    },
    [Symbol.asyncDispose]: async () => connection.end(),
  };
}

describe('a urls database', () => {
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

  describe('insert and find', () => {
    it('reads what was bound, to the millisecond and in UTC', async () => {
      const row = linkRow(randomKey(), { expiresAt: new Date('2031-01-01T00:00:00.001Z'), userId: 7n });
      await db.insert([row]);
      const [found] = await db.find([row.key]);
      expect(found).to.deep.equal({
        key: row.key,
        longUrl: row.longUrl,
        createdAt: row.createdAt,
        expiresAt: row.expiresAt,
        requestId: row.requestId,
        deletedAt: null,
      });
      const stored = await withSql(url, async (sql) =>
        sql.query<{ text: string; slot: number }>(
          'SELECT CAST(created_at AS CHAR) AS text, slot FROM urls WHERE unique_id = ? AND slot = CRC32(unique_id) % 32',
          [row.key],
        ),
      );
      expect(stored).to.deep.equal([{ text: '2026-11-22 23:59:59.987', slot: slotOf(row.key) }]);
    });

    it('binds links with an expiration, a user or an alias, and links without, by one statement', async () => {
      const usual = linkRow(randomKey());
      const rare = [
        linkRow(randomKey(), { expiresAt: new Date('2031-01-01T00:00:00.001Z') }),
        linkRow(randomKey(), { userId: 7n }),
        linkRow(randomKey(), { alias: true }),
      ];
      await db.insert([usual]);
      await db.insert([...rare, linkRow(randomKey())]);
      const stored = await withSql(url, async (sql) =>
        sql.query(
          'SELECT unique_id, user_id, CAST(expires_at AS CHAR) AS expiry, alias FROM urls WHERE unique_id IN (?)',
          [[usual, ...rare].map(({ key }) => key)],
        ),
      );
      const of = ({ key }: LinkRow, user_id: number | null, expiry: string | null, alias: number) => ({
        unique_id: key,
        user_id,
        expiry,
        alias,
      });
      const [expiring = usual, owned = usual, chosen = usual] = rare;
      expect(stored).to.have.deep.members([
        of(usual, null, null, 0),
        of(expiring, null, '2031-01-01 00:00:00.001', 0),
        of(owned, 7, null, 0),
        of(chosen, null, null, 1),
      ]);
    });

    it('binds targets of any length, and as many rows at a time as come together', async () => {
      const lengths = [250, 251, 8_192, 65_535];
      const ofLength = (length: number): string => 'https://example.com/'.padEnd(length, 'x');
      for (const count of [1, 2, 64, 65]) {
        const rows = Array.from({ length: count }, (_, i) =>
          linkRow(randomKey(), { longUrl: ofLength(lengths[i % lengths.length] ?? 0) }),
        );
        await db.insert(rows);
        const found = await db.find(rows.map(({ key }) => key));
        expect(new Map(found.map(({ key, longUrl }) => [key, longUrl]))).to.deep.equal(
          new Map(rows.map(({ key, longUrl }) => [key, longUrl])),
        );
      }
    });

    it('binds all rows of a statement or none, each with its own date and request id', async () => {
      const taken = linkRow(randomKey());
      await db.insert([taken]);
      const rows = Array.from({ length: 9 }, (_, i) =>
        linkRow(randomKey(), { createdAt: new Date(Date.UTC(2026, 10, 1 + (i % 3), 0, 0, i, i)) }),
      );
      expect(await errorOf(db.insert([...rows, linkRow(taken.key)]))).to.be.instanceOf(DuplicateRowError);
      expect(await db.find(rows.map(({ key }) => key))).to.deep.equal([]);
      await db.insert(rows);
      const found = await db.find(rows.map(({ key }) => key));
      const of = ({ key, createdAt, requestId }: LinkRow) => ({ key, createdAt, requestId });
      expect(
        found.map(({ key, createdAt, requestId }) => ({ key, createdAt, requestId })),
      ).to.have.deep.members(rows.map(of));
    });

    it('binds rows also when the server prepares no statements, and refuses what it would refuse', async () => {
      await withSql(url, async (admin) => {
        const [limit] = await admin.query<{ n: number }>('SELECT @@max_prepared_stmt_count AS n');
        const executed = async (): Promise<number> => {
          const sql = "SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'";
          return Number((await admin.query<{ Value: string }>(sql))[0]?.Value);
        };
        const other = dbs.open(url);
        await admin.execute('SET GLOBAL max_prepared_stmt_count = 0');
        try {
          const rows = [linkRow(randomKey()), linkRow(randomKey())];
          await other.insert(rows);
          expect(await db.find(rows.map(({ key }) => key))).to.have.length(2);
        } finally {
          await admin.execute('SET GLOBAL max_prepared_stmt_count = ?', [limit?.n ?? 16_382]);
        }
        await db.insert([linkRow(randomKey())]);
        const before = await executed();
        const refused = linkRow(randomKey(), { longUrl: 'https://example.com/é' });
        expect(await errorOf(db.insert([refused]))).to.have.property('code', 'STORE_REFUSED');
        // The text was refused too. So it was the row.
        await db.insert([linkRow(randomKey())]);
        expect((await executed()) - before).to.be.at.least(2);
      });
    });

    it('binds many rows of all slots by one statement and finds exactly those that exist', async () => {
      const rows = Array.from({ length: 1_200 }, () => linkRow(randomKey()));
      await db.insert(rows);
      const found = await db.find([...rows.map((row) => row.key), randomKey(), randomKey()]);
      expect(new Map(found.map((link) => [link.key, link.longUrl]))).to.deep.equal(
        new Map(rows.map((row) => [row.key, row.longUrl])),
      );
      const absent = randomKey();
      expect(await db.existing([rows[0]?.key ?? '', absent])).to.deep.equal(new Set([rows[0]?.key]));
    });

    it('distinguishes keys that differ only in case', async () => {
      const key = `aB${randomKey()}`;
      await db.insert([linkRow(key, { longUrl: 'https://example.com/1' })]);
      await db.insert([linkRow(key.toLowerCase(), { longUrl: 'https://example.com/2' })]);
      const found = await db.find([key, key.toLowerCase(), key.toUpperCase()]);
      expect(found.map((link) => link.key).sort()).to.deep.equal([key, key.toLowerCase()].sort());
    });

    it('keeps a URL of 2,048 characters that grew by percent-encoding, and one with quotes and backslashes', async () => {
      const long = `https://example.com/${'%F0%9F%98%80'.repeat(1_500)}`;
      const odd = `https://example.com/?q='"\\;--%00`;
      const rows = [linkRow(randomKey(), { longUrl: long }), linkRow(randomKey(), { longUrl: odd })];
      await db.insert(rows);
      const found = await db.find(rows.map((row) => row.key));
      expect(found.map((link) => link.longUrl)).to.have.members([long, odd]);
    });

    it('never truncates silently', async () => {
      const row = linkRow(randomKey(), { longUrl: `https://example.com/${'a'.repeat(70_000)}` });
      expect(await errorOf(db.insert([row]))).to.have.property('code', 'STORE_REFUSED');
      expect(await db.find([row.key])).to.deep.equal([]);
    });

    it('commits also on a server with autocommit off', async () => {
      await withSql(url, async (admin) => {
        await admin.execute('SET GLOBAL autocommit = 0');
        try {
          const row = linkRow(randomKey());
          await dbs.open(url).insert([row]);
          expect(await db.existing([row.key])).to.deep.equal(new Set([row.key]));
        } finally {
          await admin.execute('SET GLOBAL autocommit = 1');
        }
      });
    });

    it('shows a tombstone, which stays bound', async () => {
      const row = linkRow(randomKey());
      await db.insert([row]);
      await withSql(url, async (sql) =>
        sql.execute('UPDATE urls SET original_url = NULL, deleted_at = NOW(3) WHERE unique_id = ?', [
          row.key,
        ]),
      );
      const [found] = await db.find([row.key]);
      expect(found?.longUrl).to.equal(null);
      expect(found?.deletedAt).to.be.instanceOf(Date);
      expect(await errorOf(db.insert([linkRow(row.key)]))).to.be.instanceOf(DuplicateRowError);
    });

    it('walks over all keys in the order of the primary key', async () => {
      const walked: string[] = [];
      for (
        let page = await db.keysAfter(undefined, 100);
        page.length > 0;
        page = await db.keysAfter(page.at(-1), 100)
      ) {
        walked.push(...page.map(({ slot, key }) => `${String(slot).padStart(2, '0')} ${key}`));
      }
      const total = await withSql(url, async (sql) =>
        sql.query<{ total: number }>('SELECT COUNT(*) AS total FROM urls'),
      );
      expect(walked.length).to.equal(total[0]?.total);
      expect(walked).to.deep.equal([...new Set(walked)].sort());
    });
  });

  describe('a duplicate', () => {
    it('binds no row of the statement, and reports it', async () => {
      const taken = linkRow(randomKey());
      await db.insert([taken]);
      const rows = [linkRow(randomKey()), linkRow(taken.key), linkRow(randomKey())];
      expect(await errorOf(db.insert(rows))).to.be.instanceOf(DuplicateRowError);
      expect((await db.find(rows.map((row) => row.key))).map((link) => link.requestId)).to.deep.equal([
        taken.requestId,
      ]);
    });

    it('lets exactly one of many concurrent binds of one alias win', async () => {
      for (let round = 0; round < 20; round++) {
        const alias = `alias-${randomKey()}`;
        const rows = Array.from({ length: 6 }, () => linkRow(alias));
        const outcomes = await Promise.all(rows.map(async (row) => errorOf(db.insert([row]))));
        expect(outcomes.filter((error) => error === undefined)).to.have.length(1);
        expect(outcomes.filter((error) => error instanceof DuplicateRowError)).to.have.length(5);
        const [bound] = await db.find([alias]);
        expect(bound?.requestId).to.equal(rows[outcomes.indexOf(undefined)]?.requestId);
      }
    });

    it('binds each key at most once in large overlapping concurrent sets, and fails by no deadlock', async () => {
      const keys = Array.from({ length: 300 }, () => randomKey());
      const outcomes = await Promise.all(
        Array.from({ length: 8 }, async (_, index) => {
          const chosen = keys.filter((_, at) => (at * (index + 3)) % 7 < 5);
          if (index % 2 === 1) chosen.reverse();
          return errorOf(db.insert(chosen.map((key) => linkRow(key))));
        }),
      );
      for (const outcome of outcomes) {
        if (outcome !== undefined) expect(outcome).to.be.instanceOf(DuplicateRowError);
      }
      expect(outcomes).to.include(undefined);
    });
  });

  describe('that cannot write now', () => {
    it('is unavailable while it is read-only, and names the reason', async () => {
      const plain = new URL(url);
      plain.username = `plain_${randomBytes(3).toString('hex')}`;
      const row = linkRow(randomKey());
      await withSql(url, async (admin) => {
        await admin.execute('CREATE USER ?@? IDENTIFIED BY ?', [plain.username, '%', plain.password]);
        await admin.execute(`GRANT ALL ON \`${plain.pathname.slice(1)}\`.* TO ?@?`, [plain.username, '%']);
        await admin.execute('SET GLOBAL read_only = 1');
        try {
          const error = await errorOf(dbs.open(plain.href).insert([row]));
          expect(error).to.be.instanceOf(StoreUnavailableError);
          expect(String(error)).to.include('read-only');
        } finally {
          await admin.execute('SET GLOBAL read_only = 0');
        }
      });
      await dbs.open(plain.href).insert([row]);
    });

    it('is unavailable while a row is locked for longer than the lock wait', async () => {
      const row = linkRow(randomKey());
      await using holder = await holdRow(url, row);
      const error = await errorOf(db.insert([linkRow(row.key)], { timeoutMs: 5_000 }));
      expect(error).to.be.instanceOf(StoreUnavailableError);
      expect(String(error)).to.include('Lock wait');
      await holder.letGo();
      await db.insert([row]);
    });
  });

  describe('among others', () => {
    it('gets the keys of its slots', () => {
      const [lower, upper] = [dbs.open(url, LOWER, 'urls-1'), dbs.open(url, UPPER, 'urls-2')];
      const links = createLinks([lower, upper]);
      for (let round = 0; round < 200; round++) {
        const key = randomKey();
        expect(links.dbFor(key)).to.equal(slotOf(key) < 16 ? lower : upper);
      }
    });

    it('accepts no link of a slot that it does not own', async () => {
      const lower = dbs.open(url, LOWER);
      const rows = [linkRow(keyIn(LOWER)), linkRow(keyIn(UPPER))];
      expect(await errorOf(lower.insert(rows))).to.be.instanceOf(RangeError);
      expect(await db.find(rows.map((row) => row.key))).to.deep.equal([]);
    });

    it('is refused when a slot is missing or given twice', () => {
      expect(() => createLinks([dbs.open(url, LOWER)])).to.throw(RangeError);
      expect(() => createLinks([dbs.open(url, LOWER), dbs.open(url, [15, ...UPPER])])).to.throw(RangeError);
      expect(() => createLinks([dbs.open(url, LOWER), dbs.open(url, [...UPPER, 32])])).to.throw(RangeError);
    });
  });
});
