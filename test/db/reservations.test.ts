import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { slotOf } from '../../db/keyspace/placement.ts';
import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { slotOfHash, type ReservationTerms, type ReservedLink } from '../../db/reservations/reservation.ts';
import { openReservationsDb, type ReservationsDb } from '../../db/reservations/reservations-db.ts';
import { pruneReservations } from '../../mapper/reservations/prune-reservations.ts';
import { ALL_SLOTS } from '../../runtime/config/slots.ts';
import { createLog } from '../../runtime/log.ts';
import { rejection } from './rejection.ts';
import { emptyUrlsDatabase, linkRow, OpenUrlsDbs, randomKey } from './urls-fixture.ts';

const QUIET = createLog('test', 'reservations', 'silent');

describe('reservations of a urls database', () => {
  const dbs = new OpenUrlsDbs();
  let url: string;
  let db: ReservationsDb;
  let sql: Mysql;

  before(async function () {
    this.timeout(60_000);
    url = await emptyUrlsDatabase();
    db = openReservationsDb({ name: 'urls-1', url, slots: ALL_SLOTS });
    sql = openMysql(url, { name: 'test' });
  });

  after(async () => {
    await Promise.all([db.close(), sql.close(), dbs.closeAll()]);
  });

  function terms(fields: Partial<ReservationTerms> = {}): ReservationTerms {
    const hash = randomBytes(32).toString('hex');
    return { hash, kind: 'dedupe', fingerprint: '01'.repeat(32), keeping: { until: null }, ...fields };
  }

  function link(): ReservedLink {
    return {
      key: randomKey(),
      requestId: randomBytes(16).toString('hex'),
      createdAt: new Date('2026-11-28T12:00:00.123Z'),
    };
  }

  it('are inserted once and read as they were written, in the slot that SQL computes', async () => {
    const given = terms({ kind: 'idempotency', keeping: { forSeconds: 60 } });
    const first = link();
    expect(await db.insert(given, first)).to.equal(true);
    expect(await db.insert(given, link())).to.equal(false);
    expect(await db.find(given.hash)).to.deep.equal({
      ...first,
      fingerprint: given.fingerprint,
      isExpired: false,
    });
    expect(await db.find(terms().hash)).to.equal(undefined);
    const [row] = await sql.query(
      'SELECT slot, CRC32(HEX(hash)) % 32 AS s FROM reservations WHERE hash = ?',
      [Buffer.from(given.hash, 'hex')],
    );
    expect(row).to.deep.equal({ slot: slotOfHash(given.hash), s: slotOfHash(given.hash) });
  });

  it('are replaced only if they still have the request id that was read', async () => {
    const given = terms();
    const [first, second, third] = [link(), link(), link()];
    await db.insert(given, first);
    expect(await db.replace(given, first.requestId, second)).to.equal(true);
    expect(await db.replace(given, first.requestId, third)).to.equal(false);
    expect(await db.find(given.hash)).to.include({ key: second.key, requestId: second.requestId });
    expect(await db.replace(terms(), first.requestId, third)).to.equal(false);
  });

  it('expire by the clock of the database, or never, and are pruned then', async () => {
    const past = terms({ keeping: { until: new Date(Date.now() - 60_000) } });
    const kept = [
      terms(),
      terms({ keeping: { forSeconds: 60 } }),
      terms({ keeping: { until: new Date(Date.now() + 60_000) } }),
    ];
    for (const one of [past, ...kept]) await db.insert(one, link());
    expect(await db.find(past.hash)).to.include({ isExpired: true });
    const server = { db, isUp: () => true, isWritable: () => true };
    await pruneReservations([server], new AbortController().signal, QUIET);
    expect(await db.find(past.hash)).to.equal(undefined);
    for (const one of kept) expect(await db.find(one.hash)).to.include({ isExpired: false });
  });

  it('are refused in a slot of another server', async () => {
    const given = terms();
    const slots = ALL_SLOTS.filter((slot) => slot !== slotOfHash(given.hash));
    const other = openReservationsDb({ name: 'urls-2', url, slots });
    try {
      expect(await rejection(other.insert(given, link()))).to.be.instanceOf(RangeError);
    } finally {
      await other.close();
    }
  });

  /** How a link is changed, and whether it is over then. */
  const states: readonly (readonly [what: string, change: string, isOver: boolean])[] = [
    ['that nothing has changed', 'version = version', false],
    ['that expires later', 'expires_at = UTC_TIMESTAMP(3) + INTERVAL 1 MINUTE', false],
    ['with visits left', 'visits_left = 1', false],
    [
      'with rules of a newer program',
      `ruled_url = original_url, original_url = NULL, rules = '{"new": 1}'`,
      false,
    ],
    ['that is deleted', 'deleted_at = UTC_TIMESTAMP(3)', true],
    ['that has expired', 'expires_at = UTC_TIMESTAMP(3)', true],
    ['without a visit left', 'visits_left = 0', true],
    ['that is disabled', `ruled_url = original_url, original_url = NULL, rules = '{"disabled": true}'`, true],
    ['that is blocked', `ruled_url = original_url, original_url = NULL, rules = '{"blocked": "spam"}'`, true],
  ];
  for (const [what, change, isOver] of states) {
    it(`read a link ${what} as ${isOver ? 'over' : 'living'}`, async () => {
      const row = linkRow(randomKey());
      await dbs.open(url).insert([row]);
      await sql.execute(`UPDATE urls SET ${change} WHERE slot = ? AND unique_id = ?`, [
        slotOf(row.key),
        row.key,
      ]);
      const { requestId, longUrl } = row;
      expect(await db.findLink(row.key)).to.deep.equal({
        requestId,
        longUrl,
        isOver,
        isChanged: false,
      });
    });
  }

  it('read that a link was changed since it was made', async () => {
    const row = linkRow(randomKey());
    await dbs.open(url).insert([row]);
    await sql.execute('UPDATE urls SET version = version + 1 WHERE unique_id = ?', [row.key]);
    expect(await db.findLink(row.key)).to.include({ isOver: false, isChanged: true });
  });

  it('say whether an Idempotency-Key has found its link or made it', async () => {
    const given = terms({ kind: 'idempotency', keeping: { forSeconds: 60 } });
    const [found, made] = [{ ...link(), isFound: true } as const, link()];
    await db.insert(given, found);
    expect(await db.find(given.hash)).to.deep.include(found);
    expect(await db.replace(given, found.requestId, made)).to.equal(true);
    expect(await db.find(given.hash)).not.to.have.property('isFound');
  });

  it('find no link of a key that nobody has bound', async () => {
    expect(await db.findLink(randomKey())).to.equal(undefined);
  });
});
