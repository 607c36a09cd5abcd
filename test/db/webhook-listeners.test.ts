import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { createConnection, type Connection } from 'mysql2/promise';
import { openUsersDb, type UsersDb } from '../../db/accounts/users-db.ts';
import type { WebhookChange } from '../../db/accounts/webhooks.ts';
import { migrate } from '../../db/mysql/migrate.ts';
import { createWebhookListeners } from '../../mapper/webhook-listeners.ts';
import { createLog } from '../../runtime/log.ts';
import { People, type Person } from '../mapper/api/people.ts';
import { testDatabase } from '../servers.ts';

describe('owners of webhooks who want an event', () => {
  let people: People;
  let db: UsersDb;
  let sql: Connection;

  before(async function () {
    this.timeout(60_000);
    const url = await testDatabase('users');
    await migrate(url, 'users', createLog('test', 'users', 'silent'));
    people = new People(url);
    db = openUsersDb({ url });
    sql = await createConnection(url);
  });

  after(async () => {
    await Promise.all([people[Symbol.asyncDispose](), db.close(), sql.end()]);
  });

  async function hook(
    { id: userId }: Person,
    events: readonly string[],
    createdAt = new Date(),
  ): Promise<string> {
    const id = randomBytes(16).toString('hex');
    const secret = randomBytes(32);
    await db.webhooks.create({ id, userId, url: 'https://example.com/', events, secret, createdAt }, 20);
    return id;
  }

  it('are found by the event, with the time of the first of these webhooks, one after the other', async () => {
    const [ana, bert, carl, dora] = [
      await people.person(),
      await people.person(),
      await people.person(),
      await people.person(),
    ];
    const [early, late] = [new Date('2026-11-01T00:00:00.123Z'), new Date('2026-11-02T00:00:00Z')];
    await hook(ana, ['link.created', 'link.expired'], late);
    await hook(ana, ['link.expired'], early);
    await hook(ana, ['link.created'], new Date(0));
    await hook(bert, ['link.created', 'link.clicked']);
    const off = await hook(carl, ['link.expired']);
    await db.webhooks.change(off, carl.id, { off: { at: new Date(), reason: 'off' } }, new Date());
    await hook(dora, ['link.expired', 'link.clicked'], late);
    expect(await db.webhooks.listOwners(10, 'link.clicked')).to.have.deep.members([
      { userId: ana.id, isWanting: false },
      { userId: bert.id, isWanting: true },
      { userId: dora.id, isWanting: true },
    ]);
    expect(await db.webhooks.listOwners(2, 'link.clicked')).to.equal(undefined);
    const first = await db.webhooks.nextListener('link.expired', 0n);
    expect(first).to.deep.equal({ userId: ana.id, since: early });
    const second = await db.webhooks.nextListener('link.expired', ana.id);
    expect(second).to.deep.equal({ userId: dora.id, since: late });
    expect(await db.webhooks.nextListener('link.expired', dora.id)).to.equal(undefined);
  });

  const since = async ({ id }: Person): Promise<Date | undefined> =>
    (await db.webhooks.nextListener('link.expired', id - 1n))?.since;
  const [early, late] = [new Date('2026-11-01T00:00:00.000Z'), new Date('2026-11-03T00:00:00.000Z')];

  it('listen since they were switched on again, or began to want it', async () => {
    const ana = await people.person();
    const id = await hook(ana, ['link.expired'], early);
    const change = async (what: WebhookChange): Promise<boolean> =>
      db.webhooks.change(id, ana.id, what, late);
    await change({ events: ['link.expired', 'link.created'], off: null });
    expect(await since(ana), 'it listened all the time').to.deep.equal(early);
    await change({ off: { at: new Date(), reason: 'off' } });
    await change({ off: null });
    expect(await since(ana)).to.deep.equal(late);
    const ben = await people.person();
    const other = await hook(ben, ['link.created'], early);
    await db.webhooks.change(other, ben.id, { events: ['link.expired'] }, late);
    expect(await since(ben)).to.deep.equal(late);
  });

  it('listen since their account was enabled again', async () => {
    const ana = await people.person();
    await hook(ana, ['link.expired'], early);
    await db.users.setDisabled(ana.id, false, late);
    expect(await since(ana), 'it was not disabled').to.deep.equal(early);
    await db.users.setDisabled(ana.id, true, early);
    await db.users.setDisabled(ana.id, false, late);
    expect(await since(ana)).to.deep.equal(late);
  });

  it('are read in full only when one of them may be new', async () => {
    let asked: string[] = [];
    const of = new Proxy(db.webhooks, {
      get: (target, name) => {
        asked.push(String(name));
        return (Reflect.get(target, name) as () => unknown).bind(target);
      },
    });
    const store = {
      isConfigured: true,
      ask: async <T>(work: (users: UsersDb) => Promise<T>) => work({ ...db, webhooks: of }),
    };
    const listeners = createWebhookListeners(store);
    const ana = await people.person();
    const id = await hook(ana, ['link.created']);
    const isOn = (): boolean[] =>
      [listeners.owners, listeners.ofClicks].map((owners) => owners.mayHave(ana.id));
    await listeners.poll();
    expect([asked, isOn()]).to.deep.equal([['listOwners'], [true, false]]);
    await db.webhooks.change(id, ana.id, { events: ['link.clicked'] }, late);
    await listeners.poll();
    expect(isOn(), 'it wants to hear of clicks').to.deep.equal([true, true]);
    await sql.query('UPDATE webhooks SET changed_at = changed_at - INTERVAL 1 HOUR');
    asked = [];
    await listeners.poll();
    expect([asked, isOn()]).to.deep.equal([['changedAgoMs'], [true, true]]);
  });
});
