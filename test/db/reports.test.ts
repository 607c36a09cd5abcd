import { expect } from 'chai';
import { Reports } from '../../db/accounts/reports.ts';
import { migrate } from '../../db/mysql/migrate.ts';
import { openMysql } from '../../db/mysql/mysql.ts';
import { createLog } from '../../runtime/log.ts';
import { testDatabase } from '../servers.ts';

describe('the table of reports', () => {
  it('does not grow without bound, whatever is reported', async () => {
    const url = await testDatabase('reports');
    await migrate(url, 'users', createLog('test', 'reports', 'silent'));
    await using db = openMysql(url, { name: 'users' });
    const reports = new Reports(db, 50);
    let id = 0n;
    const report = async (key: string): Promise<boolean> => {
      id += 1n;
      return reports.add({ id, key, reason: 'spam', createdAt: new Date() });
    };
    const kept: boolean[] = [];
    for (let at = 0; at < 70; at += 1) kept.push(await report(`unknown-${at}`));
    expect(kept.filter(Boolean)).to.have.length(50);
    expect(await db.query('SELECT 1 FROM reports')).to.have.length(50);
    // Another process counts those of the first one.
    const other = new Reports(db, 50);
    expect(await other.add({ id: 1_000n, key: 'x', reason: 'spam', createdAt: new Date() })).to.equal(false);
    await reports.removeOlder(new Date(Date.now() + 60_000));
    const later = new Reports(db, 50);
    for (let at = 0; at < 30; at += 1)
      await later.add({ id: 2_000n + BigInt(at), key: 'same', reason: 'spam', createdAt: new Date() });
    expect(await db.query('SELECT 1 FROM reports'), 'of one link').to.have.length(20);
  });
});
