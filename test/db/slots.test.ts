import { expect } from 'chai';
import { MismatchError } from '../../db/store-errors.ts';
import { testDatabase } from '../servers.ts';
import { errorOf } from './outcome.ts';
import { emptyUrlsDatabase, keyIn, linkRow, LOWER, OpenUrlsDbs, UPPER, withSql } from './urls-fixture.ts';

describe("a urls database's record of its slots", () => {
  const dbs = new OpenUrlsDbs();

  afterEach(async () => {
    await dbs.closeAll();
  });

  it('is written by the first map, and accepted afterwards', async () => {
    const target = await emptyUrlsDatabase();
    await dbs.open(target, LOWER).verifySlots();
    await dbs.open(target, LOWER.toReversed()).verifySlots();
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
      const target = await emptyUrlsDatabase();
      await dbs.open(target, LOWER).verifySlots();
      const error = await errorOf(dbs.open(target, slots).verifySlots());
      expect(error).to.be.instanceOf(MismatchError);
      expect(String(error)).to.include('slots 0-15').and.to.include('KEYMILL_URLS_DBS');
    });
  }

  it('finds two names that point at one database', async () => {
    const target = await emptyUrlsDatabase();
    const map = [dbs.open(target, LOWER, 'urls-1'), dbs.open(target, UPPER, 'urls-2')];
    const outcomes = await Promise.all(map.map(async (each) => errorOf(each.verifySlots(map))));
    expect(outcomes.filter((error) => error === undefined)).to.have.length(1);
    expect(outcomes.filter((error) => error instanceof MismatchError)).to.have.length(1);
  });

  it('accepts only one of two maps that arrive at the same time, and the same map twice', async () => {
    for (let round = 0; round < 10; round++) {
      const target = await emptyUrlsDatabase();
      const maps = [LOWER, LOWER, UPPER, UPPER];
      const outcomes = await Promise.all(
        maps.map(async (slots) => errorOf(dbs.open(target, slots).verifySlots())),
      );
      const accepted = maps.filter((_, index) => outcomes[index] === undefined);
      expect(accepted).to.have.length(2);
      expect(accepted[0]).to.equal(accepted[1]);
      // The accepted map is the recorded one.
      await dbs.open(target, accepted[0]).verifySlots();
      await dbs.closeAll();
    }
  });

  it('refuses a database that holds links without a record', async () => {
    const target = await emptyUrlsDatabase();
    const used = dbs.open(target, LOWER);
    await used.insert([linkRow(keyIn(LOWER))]);
    expect(await errorOf(used.verifySlots())).to.be.instanceOf(MismatchError);
  });

  it('refuses another modulus than 32', async () => {
    const target = await emptyUrlsDatabase();
    await dbs.open(target, LOWER).verifySlots();
    await withSql(target, async (sql) => sql.execute('UPDATE slots SET slot_count = 64'));
    expect(await errorOf(dbs.open(target, LOWER).verifySlots())).to.be.instanceOf(MismatchError);
  });

  it('refuses an empty server while another server of the map holds links', async () => {
    const map = [
      dbs.open(await emptyUrlsDatabase(), LOWER, 'urls-1'),
      dbs.open(await emptyUrlsDatabase(), UPPER, 'urls-2'),
    ];
    for (const each of map) await each.verifySlots(map);
    await map[1]?.insert([linkRow(keyIn(UPPER))]);
    const swapped = dbs.open(await emptyUrlsDatabase(), LOWER, 'urls-1');
    expect(await errorOf(swapped.verifySlots([swapped, ...map.slice(1)]))).to.be.instanceOf(MismatchError);
  });

  it('is a mismatch, not an outage, when the schema is missing', async () => {
    expect(await errorOf(dbs.open(await testDatabase('urls')).verifySlots())).to.be.instanceOf(MismatchError);
  });
});
