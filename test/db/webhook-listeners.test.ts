import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { openUsersDb, type UsersDb } from '../../db/accounts/users-db.ts';
import { migrate } from '../../db/mysql/migrate.ts';
import { createLog } from '../../runtime/log.ts';
import { People, type Person } from '../mapper/api/people.ts';
import { testDatabase } from '../servers.ts';

describe('owners of webhooks who want an event', () => {
  let people: People;
  let db: UsersDb;

  before(async function () {
    this.timeout(20_000);
    const url = await testDatabase('users');
    await migrate(url, 'users', createLog('test', 'users', 'silent'));
    people = new People(url);
    db = openUsersDb({ url });
  });

  after(async () => {
    await Promise.all([people[Symbol.asyncDispose](), db.close()]);
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
    await db.webhooks.change(off, carl.id, { off: { at: new Date(), reason: 'off' } });
    await hook(dora, ['link.expired', 'link.clicked'], late);
    expect(await db.webhooks.listOwners(10)).to.have.members([ana.id, bert.id, dora.id]);
    expect(await db.webhooks.listOwners(10, 'link.clicked')).to.have.members([bert.id, dora.id]);
    expect(await db.webhooks.listOwners(1, 'link.clicked')).to.equal(undefined);
    const first = await db.webhooks.nextListener('link.expired', 0n);
    expect(first).to.deep.equal({ userId: ana.id, since: early });
    const second = await db.webhooks.nextListener('link.expired', ana.id);
    expect(second).to.deep.equal({ userId: dora.id, since: late });
    expect(await db.webhooks.nextListener('link.expired', dora.id)).to.equal(undefined);
  });
});
