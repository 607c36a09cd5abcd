import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import type { LeavingLink } from '../../db/own-links/leave-owner.ts';
import { imageTarget } from '../../db/urls/image-facts.ts';
import { createConnection } from 'mysql2/promise';
import { openOwnLinksDb } from '../../db/own-links/own-links-db.ts';
import { StoreUnavailableError } from '../../db/store-errors.ts';
import type { OwnLinks } from '../../mapper/links/own-links.ts';
import { withSql } from '../db/urls-fixture.ts';
import { startWire, through } from '../db/wire.ts';
import { UsersStore } from '../../mapper/auth/users-store.ts';
import { AccountDeletions } from '../../mapper/account-deletions.ts';
import { createLog } from '../../runtime/log.ts';
import { People, type Person } from './api/people.ts';
import {
  changedLink,
  createOwnLinksWorld,
  openOwnLinks,
  ownedRow,
  type OwnLinksWorld,
} from './own-links-fixture.ts';
import { createWorld, type World } from './world.ts';

const log = createLog('test', 'mapper', 'silent');

describe('the deletion of an account', () => {
  let world: World;
  let own: OwnLinksWorld;
  let people: People;
  let store: UsersStore;

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ hasUsers: true });
    own = await createOwnLinksWorld();
    people = new People(world.usersUrl);
    store = new UsersStore({ db: people.db, now: () => 0, log });
    await store.poll();
  });

  after(async function () {
    this.timeout(60_000);
    await people[Symbol.asyncDispose]();
    await own[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  const { signal } = new AbortController();

  function createDeletions(links: Pick<OwnLinks, 'leaveOwner'> = own.links): AccountDeletions {
    return new AccountDeletions({ store, links, log });
  }

  /** Ends an account so that its deletion has settled. */
  async function askLongAgo(person: Person, deleteLinks = false): Promise<void> {
    await people.delete(person, { deleteLinks });
    await settle(person.id);
  }

  async function settle(id: bigint, seconds = 15): Promise<void> {
    await withSql(world.usersUrl, async (sql) =>
      sql.execute(
        'UPDATE users SET deletion_asked_at = deletion_asked_at - INTERVAL ? SECOND WHERE user_id = ?',
        [seconds, id],
      ),
    );
  }

  it('leaves webhooks five minutes in which they are told of the links that it deletes', async () => {
    const [ana, bert, cleo] = [await people.person(), await people.person(), await people.person()];
    const webhook = { url: 'https://hooks.example/', events: ['link.deleted'], createdAt: new Date() };
    for (const { id: userId } of [ana, bert]) {
      const id = randomBytes(16).toString('hex');
      await people.db.webhooks.create({ ...webhook, id, userId, secret: randomBytes(61) }, 20);
    }
    const row = ownedRow({ userId: ana.id, isAdmin: false });
    await own.make(row);
    await askLongAgo(ana, true);
    await askLongAgo(bert, false);
    await askLongAgo(cleo, true);
    const deletions = createDeletions();
    await deletions.poll(signal);
    const admin = { userId: bert.id, isAdmin: true };
    expect((await own.links.find(admin, row.key))?.deletedAt).not.to.equal(null);
    expect(await people.db.webhooks.listOfUsers([ana.id])).to.have.length(1);
    for (const { id } of [bert, cleo]) expect(await people.db.users.find(id)).to.equal(undefined);
    await settle(ana.id, 285);
    await deletions.poll(signal);
    expect(await people.db.users.find(ana.id)).to.equal(undefined);
    expect(await people.db.webhooks.listOfUsers([ana.id])).to.deep.equal([]);
  });

  for (const deleteLinks of [false, true])
    it(`${deleteLinks ? 'deletes its links' : 'leaves its links without an owner'}, and the row goes last`, async () => {
      const [ana, bert] = [await people.person(), await people.person()];
      const rows = Array.from({ length: 250 }, () => ownedRow({ userId: ana.id, isAdmin: false }));
      const other = ownedRow({ userId: bert.id, isAdmin: false });
      await own.make(...rows, other);
      await people.delete(ana, { deleteLinks });
      const deletions = createDeletions();
      await deletions.poll(signal);
      const admin = { userId: bert.id, isAdmin: true };
      for (const { key } of rows.slice(0, 5)) {
        const link = await own.links.find(admin, key);
        expect(link?.userId).to.equal(null);
        expect(link?.deletedAt === null).to.equal(!deleteLinks);
      }
      // A request that had been let in before makes a link just now.
      const late = ownedRow({ userId: ana.id, isAdmin: false });
      await own.make(late);
      expect(await people.db.users.find(ana.id)).not.to.equal(undefined);
      await settle(ana.id);
      await deletions.poll(signal);
      expect(await people.db.users.find(ana.id)).to.equal(undefined);
      expect((await own.links.find(admin, late.key))?.userId).to.equal(null);
      expect((await own.links.find(admin, other.key))?.userId).to.equal(bert.id);
      if (deleteLinks) expect(own.heard).to.include.members(rows.map(({ key }) => key));
      expect(changedLink(await own.links.change(admin, other.key, { title: 'x' })).version).to.equal(2);
    });

  it('names the images among the links that it deletes, for caches in front', async () => {
    const person = await people.person();
    const caller = { userId: person.id, isAdmin: false };
    const sha256 = 'a'.repeat(64);
    const image = { type: 'png', width: 1, height: 1, bytes: 1, sha256, deleteTokenHash: sha256 } as const;
    const picture = ownedRow(caller, { longUrl: imageTarget(sha256), rules: { image } });
    await own.make(picture, ownedRow(caller));
    await askLongAgo(person, true);
    const images: string[] = [];
    const linkDeleted = ({ key, imageType }: LeavingLink): void => {
      if (imageType !== undefined) images.push(`${key} ${imageType}`);
    };
    await new AccountDeletions({ store, links: own.links, images: { linkDeleted }, log }).poll(signal);
    expect(images).to.deep.equal([`${picture.key} png`]);
  });

  it('does not wait for another one that fails', async () => {
    const [stuck, free] = [await people.person(), await people.person()];
    const [locked, other] = [stuck, free].map(({ id }) => ownedRow({ userId: id, isAdmin: false }));
    if (locked === undefined || other === undefined) throw new Error('two rows');
    await own.make(locked, other);
    await askLongAgo(stuck);
    await askLongAgo(free);
    const url = own.servers.find(({ db }) => db.slots.includes(locked.slot))?.url ?? '';
    const deletions = createDeletions();
    const holder = await createConnection(url);
    await holder.query('START TRANSACTION');
    await holder.query('SELECT 1 FROM urls WHERE slot = ? AND unique_id = ? FOR UPDATE', [
      locked.slot,
      locked.key,
    ]);
    await deletions.poll(signal);
    await holder.end();
    expect(await people.db.users.find(stuck.id)).not.to.equal(undefined);
    expect(await people.db.users.find(free.id)).to.equal(undefined);
    await deletions.poll(signal);
    expect(await people.db.users.find(stuck.id)).to.equal(undefined);
  });

  it('goes on behind accounts that fail, and comes back to them', async () => {
    const failing = new Set<bigint>();
    for (let at = 0; at < 20; at += 1) {
      const person = await people.person();
      await askLongAgo(person);
      failing.add(person.id);
    }
    const last = await people.person();
    await people.delete(last, { deleteLinks: false });
    let isBroken = true;
    const deletions = createDeletions({
      leaveOwner: async (id, ...others) => {
        if (isBroken && failing.has(id)) throw new StoreUnavailableError('urls-1', 'it is down');
        return own.links.leaveOwner(id, ...others);
      },
    });
    const row = ownedRow({ userId: last.id, isAdmin: false });
    await own.make(row);
    await deletions.poll(signal);
    await deletions.poll(signal);
    expect((await own.links.find({ userId: 1n, isAdmin: true }, row.key))?.userId).to.equal(null);
    isBroken = false;
    await deletions.poll(signal);
    for (const id of failing) expect(await people.db.users.find(id)).to.equal(undefined);
    await settle(last.id);
    await deletions.poll(signal);
    expect(await people.db.users.find(last.id)).to.equal(undefined);
  });

  it('announces each link that it deleted, also when the answer was lost', async () => {
    const ana = await people.person();
    const rows = Array.from({ length: 30 }, () => ownedRow({ userId: ana.id, isAdmin: false }));
    await own.make(...rows);
    await askLongAgo(ana, true);
    const [first, ...others] = own.servers;
    if (first === undefined) throw new Error('a server');
    await using wire = await startWire(first.url);
    const { slots } = first.db;
    const db = openOwnLinksDb({ name: 'urls-1', url: through(wire, first.url), slots, timeoutMs: 1_000 });
    wire.cutBeforeReplyTo((sent) => sent.includes('SET deleted_at = UTC_TIMESTAMP'));
    const heard: string[] = [];
    const deletions = createDeletions(openOwnLinks([{ ...first, db }, ...others], heard));
    await deletions.poll(signal);
    expect(await people.db.users.find(ana.id)).not.to.equal(undefined);
    expect(heard).to.include.members(rows.map(({ key }) => key));
    await deletions.poll(signal);
    expect(await people.db.users.find(ana.id)).to.equal(undefined);
    await db.close();
  });

  it('stops when it is told to', async () => {
    const [ana, bert] = [await people.person(), await people.person()];
    await askLongAgo(ana);
    await askLongAgo(bert);
    const stopping = new AbortController();
    const deletions = createDeletions({
      leaveOwner: async (id, isDeleting, given) => {
        stopping.abort();
        expect(given).to.equal(stopping.signal);
        return own.links.leaveOwner(id, isDeleting, given);
      },
    });
    await deletions.poll(stopping.signal);
    for (const { id } of [ana, bert]) expect(await people.db.users.find(id)).not.to.equal(undefined);
    await createDeletions().poll(signal);
  });

  it('is found by an index, however many users there are', async () => {
    const plan = await withSql(world.usersUrl, async (sql) =>
      sql.query<{ key: string | null }>(
        `EXPLAIN SELECT user_id FROM users WHERE deletion_asked_at >= NOW() AND user_id > 1
           ORDER BY deletion_asked_at, user_id LIMIT 20`,
      ),
    );
    expect(plan.map(({ key }) => key)).to.deep.equal(['users_deletion']);
  });
});
