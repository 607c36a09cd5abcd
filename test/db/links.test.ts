import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { createConnection } from 'mysql2/promise';
import { SLOT_COUNT, slotOf } from '../../db/keyspace/placement.ts';
import { openLinks, openUrlsDb, PRIMARY_KEY_IN, type LinkRow, type UrlsDb } from '../../db/links.ts';
import { migrate } from '../../db/migrate.ts';
import { openMysql, type Mysql } from '../../db/mysql.ts';
import {
  DuplicateRowError,
  MismatchError,
  OutcomeUnknownError,
  StoreUnavailableError,
} from '../../db/store-errors.ts';
import { createLog } from '../../runtime/log.ts';
import { testDatabase } from '../servers.ts';
import { loseNextAnswer, loseRequest, startWire, through } from './wire.ts';

const log = createLog('test', 'links', 'silent');
const ALL_SLOTS = Array.from({ length: SLOT_COUNT }, (_, slot) => slot);
const LOWER = ALL_SLOTS.slice(0, 16);
const UPPER = ALL_SLOTS.slice(16);

function randomKey(): string {
  return randomBytes(6).toString('base64url');
}

function keyIn(slots: readonly number[]): string {
  for (;;) {
    const key = randomKey();
    if (slots.includes(slotOf(key))) return key;
  }
}

function linkRow(key: string, fields: Partial<LinkRow> = {}): LinkRow {
  return {
    key,
    originalUrl: `https://example.com/${key}`,
    userId: null,
    createdAt: new Date('2026-11-22T23:59:59.987Z'),
    expiresAt: null,
    requestId: randomBytes(16).toString('hex'),
    ...fields,
  };
}

async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** A transaction that has inserted `row` and not committed. */
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
  const open: UrlsDb[] = [];
  let url: string;
  let db: UrlsDb;

  function openDb(target: string, slots: readonly number[] = ALL_SLOTS, name = 'urls-1'): UrlsDb {
    const opened = openUrlsDb({ name, url: target, slots, log, timeoutMs: 1_500 });
    open.push(opened);
    return opened;
  }

  async function withSql<T>(target: string, work: (sql: Mysql) => Promise<T>): Promise<T> {
    const sql = openMysql(target, { name: 'test' });
    try {
      return await work(sql);
    } finally {
      await sql.close();
    }
  }

  before(async () => {
    url = await testDatabase('urls-1');
    await migrate(url, 'urls', log);
    db = openDb(url);
    await db.verifySlots();
  });

  afterEach(async () => {
    await Promise.all(open.splice(db === undefined ? 0 : 1).map(async (opened) => opened.close()));
  });

  after(async () => {
    await db.close();
  });

  describe('insert and find', () => {
    it('gives back what was bound, to the millisecond and in UTC', async () => {
      const row = linkRow(randomKey(), { expiresAt: new Date('2031-01-01T00:00:00.001Z'), userId: 7 });
      await db.insert([row]);
      const [found] = await db.find([row.key]);
      expect(found).to.deep.equal({
        key: row.key,
        originalUrl: row.originalUrl,
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

    it('binds many rows of all slots by one statement and finds exactly those that exist', async () => {
      const rows = Array.from({ length: 1_200 }, () => linkRow(randomKey()));
      await db.insert(rows);
      const found = await db.find([...rows.map((row) => row.key), randomKey(), randomKey()]);
      expect(new Map(found.map((link) => [link.key, link.originalUrl]))).to.deep.equal(
        new Map(rows.map((row) => [row.key, row.originalUrl])),
      );
      const absent = randomKey();
      expect(await db.existing([rows[0]?.key ?? '', absent])).to.deep.equal(new Set([rows[0]?.key]));
    });

    it('looks up every key by the primary key, never by a scan', async () => {
      const target = await testDatabase('urls');
      await migrate(target, 'urls', log);
      const large = openDb(target);
      // In a small table a scan would be the right plan.
      for (let at = 0; at < 20; at++)
        await large.insert(Array.from({ length: 1_000 }, () => linkRow(randomKey())));
      const ids = Array.from({ length: 200 }, () => randomKey()).map((key) => [slotOf(key), key] as const);
      const plan = await withSql(target, async (sql) =>
        sql.query<{ type: string; key: string; rows: number }>(
          `EXPLAIN SELECT original_url FROM urls WHERE ${PRIMARY_KEY_IN}`,
          [ids],
        ),
      );
      expect(plan).to.have.length(1);
      expect(plan[0]).to.include({ type: 'range', key: 'PRIMARY' });
      expect(Number(plan[0]?.rows)).to.be.at.most(200);
    });

    it('tells keys apart that differ only in case', async () => {
      const key = `aB${randomKey()}`;
      await db.insert([linkRow(key, { originalUrl: 'https://example.com/1' })]);
      await db.insert([linkRow(key.toLowerCase(), { originalUrl: 'https://example.com/2' })]);
      const found = await db.find([key, key.toLowerCase(), key.toUpperCase()]);
      expect(found.map((link) => link.key).sort()).to.deep.equal([key, key.toLowerCase()].sort());
    });

    it('keeps a URL of 2,048 characters that grew by percent-encoding, and one with quotes and backslashes', async () => {
      const long = `https://example.com/${'%F0%9F%98%80'.repeat(1_500)}`;
      const odd = `https://example.com/?q='"\\;--%00`;
      const rows = [linkRow(randomKey(), { originalUrl: long }), linkRow(randomKey(), { originalUrl: odd })];
      await db.insert(rows);
      const found = await db.find(rows.map((row) => row.key));
      expect(found.map((link) => link.originalUrl)).to.have.members([long, odd]);
    });

    it('never truncates silently', async () => {
      const row = linkRow(randomKey(), { originalUrl: `https://example.com/${'a'.repeat(70_000)}` });
      expect(await errorOf(db.insert([row]))).to.have.property('code', 'STORE_REFUSED');
      expect(await db.find([row.key])).to.deep.equal([]);
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
      expect(found?.originalUrl).to.equal(null);
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
    it('binds none of the statement, and says so', async () => {
      const taken = linkRow(randomKey());
      await db.insert([taken]);
      const rows = [linkRow(randomKey()), linkRow(taken.key), linkRow(randomKey())];
      expect(await errorOf(db.insert(rows))).to.be.instanceOf(DuplicateRowError);
      expect((await db.find(rows.map((row) => row.key))).map((link) => link.requestId)).to.deep.equal([
        taken.requestId,
      ]);
    });

    it('lets exactly one of many win who bind the same alias at once', async () => {
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

    it('binds each key at most once when large overlapping sets are bound at once, and loses to no deadlock', async () => {
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

  describe('on a wire that fails', () => {
    it('does not know the outcome when the answer is lost; the same rows again tell that they are bound', async () => {
      await using wire = await startWire(url);
      const remote = openDb(through(wire, url));
      await remote.find(['warm-up']);
      const rows = [linkRow(randomKey()), linkRow(randomKey())];
      loseNextAnswer(wire);
      expect(await errorOf(remote.insert(rows))).to.be.instanceOf(OutcomeUnknownError);
      expect(await errorOf(remote.insert(rows))).to.be.instanceOf(DuplicateRowError);
      const found = await remote.find(rows.map((row) => row.key));
      expect(found.map((link) => link.requestId).sort()).to.deep.equal(
        rows.map((row) => row.requestId).sort(),
      );
    });

    it('does not know the outcome when the request is lost; the same rows again bind them', async () => {
      await using wire = await startWire(url);
      const remote = openDb(through(wire, url));
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
      const remote = openDb(through(wire, url));
      await remote.find(['warm-up']);
      wire.delay(300);
      const rows = [linkRow(randomKey())];
      expect(await errorOf(remote.insert(rows, { timeoutMs: 200 }))).to.be.instanceOf(OutcomeUnknownError);
      wire.heal();
      // It may still happen: the same rows again, until one of the two has bound them.
      const again = await errorOf(remote.insert(rows));
      if (again !== undefined) expect(again).to.be.instanceOf(DuplicateRowError);
      const [bound] = await db.find(rows.map((row) => row.key));
      expect(bound?.requestId).to.equal(rows[0]?.requestId);
    });

    it('binds every row exactly once, whatever is cut, for a binder that repeats and then reads', async () => {
      await using wire = await startWire(url);
      const remote = openDb(through(wire, url));
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

    it('calls a read that was cut off unavailable: it may be repeated', async () => {
      await using wire = await startWire(url);
      const remote = openDb(through(wire, url));
      await remote.find(['warm-up']);
      loseNextAnswer(wire);
      expect(await errorOf(remote.find([randomKey()]))).to.be.instanceOf(StoreUnavailableError);
      expect(await remote.find([randomKey()])).to.deep.equal([]);
    });

    it('is unavailable when nobody listens, and when it is accepted and never greeted', async () => {
      const gone = new URL(url);
      gone.port = '1';
      expect(await errorOf(openDb(gone.href).insert([linkRow(randomKey())]))).to.be.instanceOf(
        StoreUnavailableError,
      );
      await using wire = await startWire(url);
      wire.silence();
      const silent = openDb(through(wire, url));
      const row = linkRow(randomKey());
      expect(await errorOf(silent.insert([row], { timeoutMs: 200 }))).to.be.instanceOf(StoreUnavailableError);
      expect(await db.find([row.key])).to.deep.equal([]);
    });
  });

  describe('that cannot write now', () => {
    it('is unavailable, and names the reason, while it is read-only', async () => {
      const plain = new URL(url);
      plain.username = `plain_${randomBytes(3).toString('hex')}`;
      const row = linkRow(randomKey());
      await withSql(url, async (admin) => {
        await admin.execute('CREATE USER ?@? IDENTIFIED BY ?', [plain.username, '127.0.0.1', plain.password]);
        await admin.execute(`GRANT ALL ON \`${plain.pathname.slice(1)}\`.* TO ?@?`, [
          plain.username,
          '127.0.0.1',
        ]);
        await admin.execute('SET GLOBAL read_only = 1');
        try {
          const error = await errorOf(openDb(plain.href).insert([row]));
          expect(error).to.be.instanceOf(StoreUnavailableError);
          expect(String(error)).to.include('read-only');
        } finally {
          await admin.execute('SET GLOBAL read_only = 0');
        }
      });
      await openDb(plain.href).insert([row]);
    });

    it('is unavailable while somebody holds the row for longer than the lock wait', async () => {
      const row = linkRow(randomKey());
      await using holder = await holdRow(url, row);
      const error = await errorOf(db.insert([linkRow(row.key)], { timeoutMs: 5_000 }));
      expect(error).to.be.instanceOf(StoreUnavailableError);
      expect(String(error)).to.include('Lock wait');
      await holder.letGo();
      await db.insert([row]);
    });
  });

  describe('and its record of slots', () => {
    async function emptyDatabase(): Promise<string> {
      const empty = await testDatabase('urls');
      await migrate(empty, 'urls', log);
      return empty;
    }

    it('is written by the first map and accepted ever after', async () => {
      const target = await emptyDatabase();
      await openDb(target, LOWER).verifySlots();
      await openDb(target, LOWER.toReversed()).verifySlots();
      const owned = await withSql(target, async (sql) =>
        sql.query<{ slot: number; slot_count: number }>(
          'SELECT slot, slot_count FROM slots WHERE owned ORDER BY slot',
        ),
      );
      expect(owned).to.deep.equal(LOWER.map((slot) => ({ slot, slot_count: 32 })));
    });

    for (const [what, slots] of [
      ['another half', UPPER],
      ['fewer slots', LOWER.slice(1)],
      ['more slots', [...LOWER, 16]],
    ] as const) {
      it(`refuses a map that gives it ${what}, naming both`, async () => {
        const target = await emptyDatabase();
        await openDb(target, LOWER).verifySlots();
        const error = await errorOf(openDb(target, slots).verifySlots());
        expect(error).to.be.instanceOf(MismatchError);
        expect(String(error)).to.include('slots 0-15').and.to.include('KEYMILL_URLS_DBS');
      });
    }

    it('finds two names that point at one database', async () => {
      const target = await emptyDatabase();
      const dbs = [openDb(target, LOWER, 'urls-1'), openDb(target, UPPER, 'urls-2')];
      const outcomes = await Promise.all(dbs.map(async (each) => errorOf(each.verifySlots(dbs))));
      expect(outcomes.filter((error) => error === undefined)).to.have.length(1);
      expect(outcomes.filter((error) => error instanceof MismatchError)).to.have.length(1);
    });

    it('lets only one of two maps be recorded when both come first, and the same map twice', async () => {
      for (let round = 0; round < 10; round++) {
        const target = await emptyDatabase();
        const maps = [LOWER, LOWER, UPPER, UPPER];
        const outcomes = await Promise.all(
          maps.map(async (slots) => errorOf(openDb(target, slots).verifySlots())),
        );
        const accepted = maps.filter((_, index) => outcomes[index] === undefined);
        expect(accepted).to.have.length(2);
        expect(accepted[0]).to.equal(accepted[1]);
        // What was accepted is what stands.
        await openDb(target, accepted[0]).verifySlots();
        await Promise.all(open.splice(1).map(async (opened) => opened.close()));
      }
    });

    it('refuses a database that holds links and records nothing', async () => {
      const target = await emptyDatabase();
      const used = openDb(target, LOWER);
      await used.insert([linkRow(keyIn(LOWER))]);
      expect(await errorOf(used.verifySlots())).to.be.instanceOf(MismatchError);
    });

    it('refuses another modulus than 32', async () => {
      const target = await emptyDatabase();
      await openDb(target, LOWER).verifySlots();
      await withSql(target, async (sql) => sql.execute('UPDATE slots SET slot_count = 64'));
      expect(await errorOf(openDb(target, LOWER).verifySlots())).to.be.instanceOf(MismatchError);
    });

    it('refuses an empty server in the place of one whose siblings hold links', async () => {
      const dbs = [
        openDb(await emptyDatabase(), LOWER, 'urls-1'),
        openDb(await emptyDatabase(), UPPER, 'urls-2'),
      ];
      for (const each of dbs) await each.verifySlots(dbs);
      await dbs[1]?.insert([linkRow(keyIn(UPPER))]);
      const swapped = openDb(await emptyDatabase(), LOWER, 'urls-1');
      expect(await errorOf(swapped.verifySlots([swapped, ...dbs.slice(1)]))).to.be.instanceOf(MismatchError);
    });

    it('is missing with the schema: a mismatch, not an outage', async () => {
      expect(await errorOf(openDb(await testDatabase('urls')).verifySlots())).to.be.instanceOf(MismatchError);
    });
  });

  describe('among others', () => {
    it('gets the keys of its slots', () => {
      const [lower, upper] = [openDb(url, LOWER, 'urls-1'), openDb(url, UPPER, 'urls-2')];
      const links = openLinks([lower, upper]);
      for (let round = 0; round < 200; round++) {
        const key = randomKey();
        expect(links.dbFor(key)).to.equal(slotOf(key) < 16 ? lower : upper);
      }
    });

    it('takes no link of a slot that is not its own', async () => {
      const lower = openDb(url, LOWER);
      const rows = [linkRow(keyIn(LOWER)), linkRow(keyIn(UPPER))];
      expect(await errorOf(lower.insert(rows))).to.be.instanceOf(RangeError);
      expect(await db.find(rows.map((row) => row.key))).to.deep.equal([]);
    });

    it('is refused when slots are left out or given twice', () => {
      expect(() => openLinks([openDb(url, LOWER)])).to.throw(RangeError);
      expect(() => openLinks([openDb(url, LOWER), openDb(url, [15, ...UPPER])])).to.throw(RangeError);
      expect(() => openLinks([openDb(url, LOWER), openDb(url, [...UPPER, 32])])).to.throw(RangeError);
    });
  });
});
