import { expect } from 'chai';
import { createKeyspace } from '../../db/keyspace/key.ts';
import { MismatchError } from '../../db/store-errors.ts';
import { openUrlsDb, type UrlsDb } from '../../db/urls/links.ts';
import { ALL_SLOTS } from '../../runtime/config/slots.ts';
import { createLog } from '../../runtime/log.ts';
import { errorOf } from './outcome.ts';
import { emptyUrlsDatabase, withSql } from './urls-fixture.ts';

const log = createLog('test', 'keyspace-record', 'silent');
const OURS = createKeyspace({ length: 8, secret: 'a secret of the tests', regionBits: 10 });
const OTHERS = createKeyspace({ length: 8, secret: 'another secret of the tests', regionBits: 10 });

describe("a urls database's record of its keyspace", () => {
  const opened: UrlsDb[] = [];

  afterEach(async () => {
    await Promise.all(opened.splice(0).map(async (db) => db.close()));
  });

  function open(url: string, keyspace: typeof OURS): UrlsDb {
    const db = openUrlsDb({ name: 'urls-1', url, slots: ALL_SLOTS, keyspace, log });
    opened.push(db);
    return db;
  }

  it('is not needed, and not written by a mapper', async () => {
    const url = await emptyUrlsDatabase();
    await open(url, OURS).verifySlots();
    await open(url, OTHERS).verifySlots();
    expect(await withSql(url, async (sql) => sql.query('SELECT * FROM keyspace'))).to.deep.equal([]);
  });

  it('is written once; another keyspace is refused, whatever comes first', async () => {
    for (let round = 0; round < 5; round += 1) {
      const url = await emptyUrlsDatabase();
      const all = [OURS, OTHERS, OURS, OTHERS];
      const outcomes = await Promise.all(
        all.map(async (keyspace) => errorOf(open(url, keyspace).recordKeyspace())),
      );
      const winner = outcomes[0] === undefined ? OURS : OTHERS;
      const loser = winner === OURS ? OTHERS : OURS;
      expect(outcomes.filter((error) => error instanceof MismatchError)).to.have.length(2);
      await open(url, winner).verifySlots();
      expect(await errorOf(open(url, loser).verifySlots())).to.be.instanceOf(MismatchError);
    }
  });

  for (const [what, options, reason] of [
    ['key length', { length: 9 }, 'KEYMILL_KEY_LENGTH'],
    ['number of region bits', { regionBits: 9 }, 'KEYMILL_REGION_BITS'],
    ['secret', { secret: 'another secret of the tests' }, 'KEYMILL_KEY_SECRET'],
  ] as const) {
    it(`refuses another ${what}, and names the setting but no secret`, async () => {
      const url = await emptyUrlsDatabase();
      await open(url, OURS).recordKeyspace();
      const other = createKeyspace({
        length: 8,
        secret: 'a secret of the tests',
        regionBits: 10,
        ...options,
      });
      const error = await errorOf(open(url, other).verifyKeyspace());
      expect(error).to.be.instanceOf(MismatchError);
      expect(String(error)).to.include(reason).and.to.not.include('secret of the tests');
    });
  }
});
