import { expect } from 'chai';
import { openUsersDb, type UsersDb } from '../../../db/accounts/users-db.ts';
import { migrate } from '../../../db/mysql/migrate.ts';
import { Salts } from '../../../mapper/dimensions/salts.ts';
import { createLog } from '../../../runtime/log.ts';
import { withSql } from '../../db/urls-fixture.ts';
import { withinOneDay } from '../../one-day.ts';
import { testDatabase } from '../../servers.ts';

const log = createLog('test', 'salts', 'silent');
const DAY_MS = 86_400_000;
const TODAY = Math.floor(Date.now() / DAY_MS);

describe('the salts of visitors', () => {
  withinOneDay();
  let url: string;
  let db: UsersDb;
  let nowMs: number;

  before(async function () {
    this.timeout(60_000);
    url = await testDatabase('salts');
    await migrate(url, 'users', log);
    db = openUsersDb({ url });
  });

  after(async () => db.close());

  beforeEach(() => {
    nowMs = TODAY * DAY_MS;
  });

  function open(isAway = (): boolean => false): Salts {
    const share = async (day: string, salt: Buffer): Promise<Buffer> => {
      if (isAway()) throw new Error('away');
      return db.salts.ensure(day, salt);
    };
    return new Salts({ share, now: () => nowMs, log });
  }

  /** One visitor under the salt of a day: another salt makes another one of him. */
  function under(salts: Salts, day: number): string {
    const { high, low } = salts.of(day).of({ high: 1, low: 2 }, '192.0.2.1');
    return `${high},${low}`;
  }

  it('are the same in all processes, whoever asks first, and others on each day', async () => {
    const all = [open(), open(), open()];
    await Promise.all(all.map(async (salts) => salts.refresh()));
    const [first = ''] = all.map((salts) => under(salts, TODAY));
    for (const salts of all) expect(under(salts, TODAY)).to.equal(first);
    nowMs += DAY_MS;
    await Promise.all(all.map(async (salts) => salts.refresh()));
    const [next = ''] = all.map((salts) => under(salts, TODAY + 1));
    expect(next).to.not.equal(first);
    for (const salts of all)
      expect([under(salts, TODAY), under(salts, TODAY + 1)]).to.deep.equal([first, next]);
  });

  it('are known before their day begins', async () => {
    const [one, other] = [open(), open()];
    nowMs += DAY_MS - 1_800_000;
    await one.refresh();
    await other.refresh();
    expect(under(one, TODAY + 1)).to.equal(under(other, TODAY + 1));
  });

  it('are those of the process until the database says them', async () => {
    let isAway = true;
    const [one, other] = [open(() => isAway), open()];
    const own = under(one, TODAY);
    await one.refresh();
    await other.refresh();
    expect(under(one, TODAY)).to.equal(own).and.not.equal(under(other, TODAY));
    isAway = false;
    await one.refresh();
    expect(under(one, TODAY)).to.equal(under(other, TODAY));
    const alone = new Salts({ share: undefined, now: () => nowMs, log });
    await alone.refresh();
    expect(under(alone, TODAY)).to.equal(under(alone, TODAY)).and.not.equal(under(one, TODAY));
  });

  it('are forgotten after two days, in the process and in the database', async () => {
    const salts = open();
    await salts.refresh();
    const before = under(salts, TODAY);
    const days = async (): Promise<number[]> =>
      withSql(url, async (sql) => {
        await sql.query('DELETE FROM visitor_salts');
        for (const age of [0, 1, 2, 3])
          await sql.query(
            "INSERT INTO visitor_salts (day, salt) VALUES (UTC_DATE() - INTERVAL ? DAY, REPEAT('x', 32))",
            [age],
          );
        await db.salts.removeOlder();
        return (
          await sql.query<{ age: number }>(
            'SELECT DATEDIFF(UTC_DATE(), day) AS age FROM visitor_salts ORDER BY age',
          )
        ).map(({ age }) => age);
      });
    expect(await days()).to.deep.equal([0, 1]);
    nowMs += 2 * DAY_MS;
    await salts.refresh();
    expect(under(salts, TODAY)).to.not.equal(before);
  });
});
