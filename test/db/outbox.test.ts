import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { migrate } from '../../db/mysql/migrate.ts';
import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { toOutboxInsert, toOutboxInsertIf, type OutboxEvent } from '../../db/outbox/outbox.ts';
import { createLog } from '../../runtime/log.ts';
import { testDatabase } from '../servers.ts';

function eventOf(fields: Partial<OutboxEvent> = {}): OutboxEvent {
  const id = randomBytes(16).toString('hex');
  return {
    id,
    slot: 3,
    userId: 2n ** 62n,
    event: 'link.created',
    body: '{"title":"it\'s Ünïcode"}',
    ...fields,
  };
}

describe('events in the outbox', () => {
  let db: Mysql;

  before(async () => {
    const url = await testDatabase('urls-1');
    await migrate(url, 'urls', createLog('test', 'outbox', 'silent'));
    db = openMysql(url, { name: 'urls-1', canTransact: true });
  });

  after(async () => db.close());

  async function bodies(): Promise<string[]> {
    const rows = await db.query<{ body: string }>('SELECT body FROM outbox ORDER BY body');
    return rows.map(({ body }) => body);
  }

  it('are there once, also when their statement is repeated', async () => {
    const events = [eventOf(), eventOf({ body: '{}' })];
    for (const _ of [1, 2]) await db.transact([toOutboxInsert(events)]);
    expect(await bodies()).to.deep.equal(events.map(({ body }) => body).toSorted());
    await db.execute('DELETE FROM outbox');
  });

  it('are not there when no row says that they have happened', async () => {
    const event = eventOf();
    await db.transact([toOutboxInsertIf(event, 'FROM slots WHERE FALSE')]);
    expect(await bodies()).to.deep.equal([]);
    for (const _ of [1, 2]) await db.transact([toOutboxInsertIf(event, 'FROM DUAL WHERE TRUE')]);
    expect(await bodies()).to.deep.equal([event.body]);
  });
});
