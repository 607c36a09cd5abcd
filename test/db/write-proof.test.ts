import { expect } from 'chai';
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import { openOwnLinksDb } from '../../db/own-links/own-links-db.ts';
import { ALL_SLOTS } from '../../runtime/config/slots.ts';
import { until } from '../until.ts';
import { emptyUrlsDatabase, linkRow, OpenUrlsDbs, randomKey } from './urls-fixture.ts';

interface Waiting extends RowDataPacket {
  readonly id: number;
}

/** Shorter than a lock wait. */
const SOON_MS = 800;

describe('the proof that a urls database takes links', () => {
  it('holds up no link, also while it hangs, in a database with few links', async () => {
    const url = await emptyUrlsDatabase();
    const dbs = new OpenUrlsDbs();
    const own = openOwnLinksDb({ name: 'urls-1', url, slots: ALL_SLOTS, timeoutMs: 1_500 });
    const others: Connection[] = [];
    try {
      const links = dbs.open(url);
      await Promise.all([links.warmUp(), own.proveWriting(1_000)]);
      const [reader, locker] = [await createConnection(url), await createConnection(url)];
      others.push(reader, locker);
      await locker.query('LOCK TABLES link_tags WRITE');
      const waiting = async (): Promise<number[]> => {
        const sql =
          "SELECT id FROM information_schema.processlist WHERE state LIKE '%metadata lock%' AND db = DATABASE()";
        return (await reader.query<Waiting[]>(sql))[0].map(({ id }) => id);
      };
      // Given up by us, it waits in the server for a moment longer, and is then rolled back.
      const givenUp = own.proveWriting(300).catch((reason: unknown) => reason);
      let first: number | undefined;
      await until('a proof to hang', async () => (first = (await waiting())[0]) !== undefined);
      expect(await givenUp).to.be.instanceOf(Error);
      const hanging = own.proveWriting(5_000).catch((reason: unknown) => reason);
      await until(
        'the next proof to hang alone',
        async () => {
          const [one, other] = await waiting();
          return one !== undefined && one !== first && other === undefined;
        },
        { everyMs: 10 },
      );
      await links.insert(
        Array.from({ length: 20 }, () => linkRow(randomKey())),
        { timeoutMs: SOON_MS },
      );
      await links.proveWriting(SOON_MS);
      await locker.query('UNLOCK TABLES');
      await hanging;
    } finally {
      await Promise.all(others.map(async (one) => one.end()));
      await own.close();
      await dbs.closeAll();
    }
  });
});
