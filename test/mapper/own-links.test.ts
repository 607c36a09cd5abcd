import { expect } from 'chai';
import { withSql } from '../db/urls-fixture.ts';
import { etagOf } from '../../mapper/links/etag.ts';
import {
  changedLink,
  createOwnLinksWorld,
  newOwner,
  ownedRow,
  whyRefused,
  type OwnLinksWorld,
} from './own-links-fixture.ts';

describe('own links', () => {
  let world: OwnLinksWorld;

  before(async () => {
    world = await createOwnLinksWorld();
  });

  after(async () => {
    await world[Symbol.asyncDispose]();
  });

  it('are made with title, tags and rules, and read back by their owner alone', async () => {
    const [owner, stranger] = [newOwner(), newOwner()];
    const row = ownedRow(owner, {
      title: 'Ein schöner Titel 🎈',
      tags: ['b', 'a', 'É'],
      rules: { disabled: true },
      expiresAt: new Date('2031-01-01T00:00:00.001Z'),
    });
    await world.make(row);
    const found = await world.links.find(owner, row.key);
    expect(found).to.deep.equal({
      key: row.key,
      slot: row.slot,
      userId: owner.userId,
      longUrl: row.longUrl,
      createdAt: row.createdAt,
      updatedAt: null,
      expiresAt: row.expiresAt,
      title: row.title,
      tags: ['a', 'b', 'É'],
      rules: { disabled: true },
      visitsLeft: null,
      deletedAt: null,
      version: 1,
      changedBy: row.requestId,
    });
    expect(await world.links.find(stranger, row.key)).to.equal(undefined);
    expect(await world.links.find(newOwner(true), row.key)).to.deep.equal(found);
  });

  it('change, are deleted and restored, each once and announced', async () => {
    const owner = newOwner();
    const row = ownedRow(owner, { tags: ['old', 'kept'] });
    await world.make(row);
    const before = await world.links.find(owner, row.key);
    const etag = before === undefined ? '' : etagOf(before);
    world.heard.length = 0;
    const patch = { longUrl: 'https://example.com/new', title: 'T', tags: ['kept', 'new'], disabled: true };
    const changed = changedLink(await world.links.change(owner, row.key, patch, etag));
    expect(changed).to.deep.include({
      longUrl: 'https://example.com/new',
      title: 'T',
      tags: ['kept', 'new'],
      rules: { disabled: true },
      version: 2,
    });
    expect(world.heard).to.deep.equal([row.key]);
    expect(whyRefused(await world.links.change(owner, row.key, { title: 'U' }, etag))).to.equal('stale');
    // The process that changed it may have died before it told the others.
    world.heard.length = 0;
    expect(whyRefused(await world.links.change(owner, row.key, patch))).to.equal('unchanged');
    expect(world.heard).to.deep.equal([row.key]);
    expect(whyRefused(await world.links.change(newOwner(), row.key, patch))).to.equal('unknown');

    const deleted = changedLink(await world.links.remove(owner, row.key));
    expect(deleted.deletedAt).to.be.instanceOf(Date);
    expect(deleted).to.include({ version: 3, longUrl: 'https://example.com/new' });
    world.heard.length = 0;
    expect(whyRefused(await world.links.remove(owner, row.key))).to.equal('unchanged');
    expect(world.heard).to.deep.equal([row.key]);
    expect(whyRefused(await world.links.change(owner, row.key, { title: 'U' }))).to.equal('deleted');
    expect((await world.links.tags(owner.userId, { after: undefined, limit: 10 })).items).to.deep.equal([]);

    const restored = changedLink(await world.links.restore(owner, row.key));
    expect(restored).to.deep.include({ deletedAt: null, version: 4, tags: ['kept', 'new'] });
    expect((await world.links.tags(owner.userId, { after: undefined, limit: 10 })).items).to.deep.equal([
      { tag: 'kept', links: 1 },
      { tag: 'new', links: 1 },
    ]);
  });

  it('know how often they were followed', async () => {
    const owner = newOwner();
    const rows = Array.from({ length: 10 }, () => ownedRow(owner));
    await world.make(...rows);
    for (const { url, db } of world.servers)
      await withSql(url, async (sql) => {
        for (const { key, slot } of rows.slice(1).filter((row) => db.slots.includes(row.slot)))
          await sql.execute(
            "INSERT INTO clicks (slot, unique_id, day, clicks) VALUES (?, ?, '2026-01-01', 2), (?, ?, '2026-01-02', 3)",
            [slot, key, slot, key],
          );
      });
    const page = await world.links.list(
      { userId: owner.userId, state: 'all' },
      { cursor: undefined, limit: 20 },
    );
    const clicks = await world.links.clicksOf('items' in page ? page.items : []);
    expect(clicks).to.deep.equal(new Map(rows.slice(1).map(({ key }) => [key, { humans: 5, bots: 0 }])));
  });

  it('keep tags that differ only in case, accents or blanks at their ends apart', async () => {
    const owner = newOwner();
    const tags = ['a', 'a ', 'A', 'á', 'ß', 'ss', '🎈', '\'\\%_"'];
    const row = ownedRow(owner, { tags: [...tags, 'a'] });
    await world.make(row);
    expect((await world.links.find(owner, row.key))?.tags).to.have.members(tags);
    const changed = changedLink(await world.links.change(owner, row.key, { tags: [...tags, 'b', 'b '] }));
    expect(changed.tags).to.have.members([...tags, 'b', 'b ']);
    const page = await world.links.list(
      { userId: owner.userId, state: 'all', tag: 'a ' },
      { cursor: undefined, limit: 5 },
    );
    expect('items' in page ? page.items.map(({ key }) => key) : page).to.deep.equal([row.key]);
    const { items } = await world.links.tags(owner.userId, { after: undefined, limit: 20 });
    expect(items.map(({ tag }) => tag)).to.have.members([...tags, 'b', 'b ']);
  });

  it('are listed from the newest to the oldest over both servers, by pages', async () => {
    const owner = newOwner();
    const rows = Array.from({ length: 50 }, (_, at) =>
      // Ten of them in one millisecond.
      ownedRow(owner, {
        createdAt: new Date(Date.UTC(2026, 0, 1) + (at < 10 ? 0 : at)),
        tags: [`t${at % 2}`],
      }),
    );
    await world.make(...rows);
    await world.make(ownedRow(newOwner()));
    const listed: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await world.links.list({ userId: owner.userId, state: 'all' }, { cursor, limit: 7 });
      if ('invalid' in page) throw new Error('invalid cursor');
      expect(page.items.length).to.be.at.most(7);
      expect(page.items.every(({ tags }) => tags.length === 1)).to.equal(true);
      listed.push(...page.items.map(({ key }) => key));
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    const expected = rows
      .toSorted((a, b) => b.createdAt.getTime() - a.createdAt.getTime() || (a.key > b.key ? -1 : 1))
      .map(({ key }) => key);
    expect(listed).to.deep.equal(expected);
  });
});
