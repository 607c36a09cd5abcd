import { expect } from 'chai';
import { UsersStore } from '../../mapper/auth/users-store.ts';
import { AccountDeletions } from '../../mapper/account-deletions.ts';
import { createLog } from '../../runtime/log.ts';
import { People } from './api/people.ts';
import { changedLink, createOwnLinksWorld, ownedRow, type OwnLinksWorld } from './own-links-fixture.ts';
import { createWorld, type World } from './world.ts';

const log = createLog('test', 'mapper', 'silent');

describe('the deletion of an account', () => {
  let world: World;
  let own: OwnLinksWorld;
  let people: People;
  let store: UsersStore;
  let nowMs = 0;

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ hasUsers: true });
    own = await createOwnLinksWorld();
    people = new People(world.usersUrl);
    store = new UsersStore({ db: people.db, now: () => nowMs, log });
    await store.poll();
  });

  after(async function () {
    this.timeout(20_000);
    await people[Symbol.asyncDispose]();
    await own[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  for (const deleteLinks of [false, true])
    it(`${deleteLinks ? 'deletes its links' : 'leaves its links without an owner'}, and the row goes last`, async () => {
      const [ana, bert] = [await people.person(), await people.person()];
      const rows = Array.from({ length: 250 }, () => ownedRow({ userId: ana.id, isAdmin: false }));
      const other = ownedRow({ userId: bert.id, isAdmin: false });
      await own.make(...rows, other);
      await people.delete(ana, { deleteLinks });
      const deletions = new AccountDeletions({ store, links: own.links, now: () => nowMs, log });
      await deletions.poll();
      const admin = { userId: bert.id, isAdmin: true };
      for (const { key } of rows.slice(0, 5)) {
        const link = await own.links.find(admin, key);
        expect(link?.userId).to.equal(null);
        expect(link?.deletedAt === null).to.equal(!deleteLinks);
      }
      // A request that had been let in before makes a link just now.
      const late = ownedRow({ userId: ana.id, isAdmin: false });
      await own.make(late);
      nowMs += 20_000;
      await deletions.poll();
      expect(await people.db.users.find(ana.id)).not.to.equal(undefined);
      await deletions.poll();
      expect(await people.db.users.find(ana.id)).to.equal(undefined);
      expect((await own.links.find(admin, late.key))?.userId).to.equal(null);
      expect((await own.links.find(admin, other.key))?.userId).to.equal(bert.id);
      if (deleteLinks) expect(own.heard).to.include.members(rows.map(({ key }) => key));
      expect(changedLink(await own.links.change(admin, other.key, { title: 'x' })).version).to.equal(2);
    });
});
