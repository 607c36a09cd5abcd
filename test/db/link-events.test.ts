import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import { openImportsDb, type ImportsDb } from '../../db/imports/imports-db.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import { parseLinkInEvent } from '../../db/own-links/link-in-event.ts';
import type { LinkChange, OwnLink } from '../../db/own-links/own-link.ts';
import { openOwnLinksDb, type OwnLinksDb } from '../../db/own-links/own-links-db.ts';
import type { OwnedRow } from '../../db/own-links/owned-insert.ts';
import { openVisitsDb, type VisitsDb } from '../../db/urls/visits.ts';
import { ALL_SLOTS } from '../../runtime/config/slots.ts';
import { emptyUrlsDatabase, linkRow, randomKey } from './urls-fixture.ts';

const OWNER = 7n;
const OTHER = 8n;

/** Texts that JSON, SQL and bytes spell in other ways. */
const ODD = 'a "b" \\ \'c\' \u{1F984} é \u2028 %';

describe('events of links', () => {
  let sql: Connection;
  let db: OwnLinksDb;
  let imports: ImportsDb;
  let visits: VisitsDb;
  let mayBeAny = true;

  before(async function () {
    this.timeout(60_000);
    const url = await emptyUrlsDatabase();
    sql = await createConnection({ uri: url, timezone: 'Z' });
    const wantsEvents = (userId: bigint): boolean => userId === OWNER;
    db = openOwnLinksDb({ name: 'urls-1', url, slots: ALL_SLOTS, wantsEvents });
    imports = openImportsDb({ name: 'urls-1', url, slots: ALL_SLOTS, wantsEvents });
    visits = openVisitsDb({ name: 'urls-1', url, mayWantEvents: () => mayBeAny });
  });

  after(async () => {
    await Promise.all([sql.end(), db.close(), imports.close(), visits.close()]);
  });

  function newId(): string {
    return randomBytes(16).toString('hex');
  }

  function ownedRow(fields: Partial<OwnedRow> = {}): OwnedRow {
    return { ...linkRow(randomKey()), userId: OWNER, title: null, tags: [], rules: {}, ...fields };
  }

  /** Makes a link without an event. */
  async function makeQuietly(fields: Partial<OwnedRow> = {}): Promise<OwnLink> {
    const row = ownedRow(fields);
    await db.insert([row]);
    await takeEvents();
    return (await db.find(row.key)) as OwnLink;
  }

  /** The events that were written since the last call, in the order of the keys of their links. */
  async function takeEvents(): Promise<{ event: string; userId: bigint; body: string }[]> {
    const [rows] = await sql.query<RowDataPacket[]>('SELECT * FROM outbox');
    await sql.query('DELETE FROM outbox');
    return rows
      .map(({ event, user_id: userId, body }) => ({
        event: String(event),
        userId: BigInt(userId),
        body: String(body),
      }))
      .sort((a, b) => (a.body < b.body ? -1 : 1));
  }

  async function takeOne(): Promise<{ event: string; body: string }> {
    const events = await takeEvents();
    expect(events).to.have.length(1);
    expect(events[0]?.userId).to.equal(OWNER);
    return events[0] as { event: string; body: string };
  }

  /** The link as the database has it, in the form of an event. The hash of a password is not in events. */
  async function linkNow(key: string): Promise<object> {
    const { userId: _, changedBy: __, rules, ...link } = (await db.find(key)) as OwnLink;
    return { ...link, rules: rules.passwordHash === undefined ? rules : { ...rules, passwordHash: '' } };
  }

  const rich = (): Partial<OwnedRow> => ({
    title: ODD,
    tags: [ODD, 'z', 'a', 'É'],
    expiresAt: new Date('2031-01-02T03:04:05.678Z'),
    rules: {
      passwordHash: '$argon2id$secret',
      maxVisits: 5,
      validFrom: '2030-01-01T00:00:00.000Z',
      targets: [{ when: { device: ['ios'] }, longUrl: 'https://example.com/?a=%22b%22&c=1' }],
      expiredUrl: 'https://example.com/gone',
    },
  });

  it('has the whole link as it was stored, without the hash of its password', async () => {
    const row = ownedRow(rich());
    await db.insert([row]);
    const { event, body } = await takeOne();
    expect(event).to.equal('link.created');
    expect(body).not.to.contain('argon2id');
    const { link, clicks } = parseLinkInEvent(body);
    expect(link).to.deep.equal(await linkNow(row.key));
    expect(link).to.include({ title: ODD, version: 1, visitsLeft: 5 });
    expect(link.tags).to.deep.equal(
      ['a', 'z', ODD, 'É'].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    );
    expect(clicks).to.deep.equal({ humans: 0, bots: 0 });
  });

  it('is one for a deletion for good, with the link as it was, however often it is repeated', async () => {
    const link = await makeQuietly(rich());
    const purge = { link, changeId: newId() };
    expect(await db.purge(purge)).to.equal(true);
    const { event, body } = await takeOne();
    expect(event).to.equal('link.deleted');
    const told = parseLinkInEvent(body).link;
    expect(told).to.deep.include({ key: link.key, longUrl: link.longUrl, title: ODD, version: 2 });
    expect(Date.now() - (told.deletedAt?.getTime() ?? 0)).to.be.below(60_000);
    expect(await db.purge(purge)).to.equal(false);
    expect(await takeEvents()).to.deep.equal([]);
    expect(await db.find(link.key)).to.equal(undefined);
    // Nothing is left but the row, which keeps its key.
    const [rows] = await sql.query<RowDataPacket[]>('SELECT * FROM urls WHERE unique_id = ?', [link.key]);
    expect(rows[0]).to.include({ original_url: null, ruled_url: null, title: null, rules: null });
    for (const table of ['owned', 'link_tags', 'deletions']) {
      const query = `SELECT 1 FROM ${table} WHERE unique_id = ?`;
      expect((await sql.query<RowDataPacket[]>(query, [link.key]))[0], table).to.deep.equal([]);
    }
  });

  it('of a deletion for good is none when the link was deleted before, or has changed', async () => {
    const link = await makeQuietly(rich());
    expect(await db.change({ link, change: { kind: 'delete' }, changeId: newId() })).to.equal(true);
    await takeOne();
    expect(await db.purge({ link, changeId: newId() })).to.equal(false);
    const deleted = (await db.find(link.key)) as OwnLink;
    expect(await db.purge({ link: deleted, changeId: newId() })).to.equal(true);
    expect(await takeEvents()).to.deep.equal([]);
    expect(await db.find(link.key)).to.equal(undefined);
    const [rows] = await sql.query('SELECT 1 FROM deletions WHERE unique_id = ?', [link.key]);
    expect(rows).to.deep.equal([]);
  });

  const changes: readonly [what: string, event: string, from: Partial<OwnedRow>, change: LinkChange][] = [
    [
      'an edit',
      'link.updated',
      rich(),
      {
        kind: 'edit',
        state: {
          longUrl: 'https://example.com/2',
          expiresAt: null,
          title: 'x',
          tags: ['b'],
          rules: { maxVisits: 3 },
        },
      },
    ],
    ['a deletion', 'link.deleted', rich(), { kind: 'delete' }],
  ];
  for (const [what, event, from, change] of changes)
    it(`is one for ${what}, however often its transaction is repeated`, async () => {
      const link = await makeQuietly(from);
      const changeId = newId();
      expect(await db.change({ link, change, changeId })).to.equal(true);
      const written = await takeOne();
      expect(written.event).to.equal(event);
      expect(parseLinkInEvent(written.body).link).to.deep.equal(await linkNow(link.key));
      expect(parseLinkInEvent(written.body).link.version).to.equal(2);
      // It was delivered meanwhile; the repetition does not write it again.
      expect(await db.change({ link, change, changeId })).to.equal(false);
      expect(await takeEvents()).to.deep.equal([]);
    });

  it('is one for a restored link', async () => {
    const link = await makeQuietly();
    await db.change({ link, change: { kind: 'delete' }, changeId: newId() });
    await takeEvents();
    const deleted = (await db.find(link.key)) as OwnLink;
    await db.change({ link: deleted, change: { kind: 'restore' }, changeId: newId() });
    const { event, body } = await takeOne();
    expect(event).to.equal('link.updated');
    expect(parseLinkInEvent(body).link).to.deep.include({ deletedAt: null, version: 3 });
  });

  it('is none for a change that came too late', async () => {
    const link = await makeQuietly();
    const change: LinkChange = { kind: 'delete' };
    expect(await db.change({ link: { ...link, version: 7 }, change, changeId: newId() })).to.equal(false);
    expect(await takeEvents()).to.deep.equal([]);
  });

  it('is none for a link of an owner without webhooks, or of nobody', async () => {
    const rows = [ownedRow({ userId: OTHER }), ownedRow({ userId: null, title: 'x' })];
    await db.insert(rows);
    for (const { key } of rows)
      await db.change({
        link: (await db.find(key)) as OwnLink,
        change: { kind: 'delete' },
        changeId: newId(),
      });
    await db.deleteOwned({ userId: OTHER, links: rows, changeId: newId() });
    expect(await takeEvents()).to.deep.equal([]);
  });

  it('is one for each link of a bulk that somebody wants, and none if a key of it is taken', async () => {
    const rows = [ownedRow(), ownedRow({ userId: OTHER }), ownedRow({ tags: ['a'] })];
    await db.insertMany(rows);
    const events = await takeEvents();
    const keys = events.map(({ body }) => parseLinkInEvent(body).link.key);
    expect(keys).to.have.members([rows[0]?.key, rows[2]?.key]);
    const again = db.insertMany([ownedRow(), rows[0] as OwnedRow]);
    expect(await again.catch((error: Error) => error.name)).to.equal('DuplicateRowError');
    expect(await takeEvents()).to.deep.equal([]);
  });

  it('has the clicks of the link: those that an import brings, and those of all releases', async () => {
    const row = { ...ownedRow(), visits: { humans: 5, bots: 2 } };
    await imports.bind([row]);
    const created = parseLinkInEvent((await takeOne()).body);
    expect(created.clicks).to.deep.equal({ humans: 5, bots: 2 });
    await sql.query(
      'INSERT INTO clicks (slot, unique_id, day, clicks) VALUES (?, ?, NOW(), 4), (?, ?, "2026-01-01", 3)',
      [row.slot, row.key, row.slot, row.key],
    );
    const link = (await db.find(row.key)) as OwnLink;
    await db.change({ link, change: { kind: 'delete' }, changeId: newId() });
    expect(parseLinkInEvent((await takeOne()).body).clicks).to.deep.equal({ humans: 12, bots: 2 });
  });

  it('is one when the last visit of a link is taken, and none for the visits before', async () => {
    const link = await makeQuietly({ rules: { maxVisits: 3 } });
    expect(await visits.take(link.key, link.changedBy, 2)).to.equal(true);
    expect(await visits.take(link.key, link.changedBy, 2, true)).to.equal(false);
    expect(await visits.take(link.key, link.changedBy, 1), 'without its event').to.equal(false);
    expect(await takeEvents()).to.deep.equal([]);
    expect(await visits.take(link.key, link.changedBy, 1, true)).to.equal(true);
    const { event, body } = await takeOne();
    expect(event).to.equal('link.limit_reached');
    expect(parseLinkInEvent(body).link).to.deep.equal(await linkNow(link.key));
    expect(parseLinkInEvent(body).link).to.deep.include({ visitsLeft: 0, version: 1 });
    expect(await visits.take(link.key, link.changedBy, 1, true)).to.equal(false);
    expect(await takeEvents()).to.deep.equal([]);
  });

  it('is none for the last visit while nobody has a webhook, or of a link of nobody', async () => {
    const link = await makeQuietly({ rules: { maxVisits: 1 } });
    mayBeAny = false;
    expect(await visits.take(link.key, link.changedBy, 1)).to.equal(true);
    mayBeAny = true;
    const ownerless = ownedRow({ userId: null, rules: { maxVisits: 1 } });
    await db.insert([ownerless]);
    expect(await visits.take(ownerless.key, ownerless.requestId, 1, true)).to.equal(true);
    expect(await takeEvents()).to.deep.equal([]);
  });

  it('is one for each link of which a tag is renamed', async () => {
    const [first, second] = [
      await makeQuietly({ tags: ['from'] }),
      await makeQuietly({ tags: ['from', 'b'] }),
    ];
    await makeQuietly({ tags: ['c'] });
    const rename = { userId: OWNER, from: 'from', to: 'b', changeId: newId() };
    expect(await db.renameTag(rename, 100)).to.equal(2);
    const links = (await takeEvents()).map(({ event, body }) => ({ event, ...parseLinkInEvent(body).link }));
    expect(links.map(({ key }) => key)).to.have.members([first.key, second.key]);
    for (const link of links)
      expect(link).to.deep.include({ event: 'link.updated', tags: ['b'], version: 2 });
  });

  it('is one for each link that is deleted with the account of its owner', async () => {
    const made = [await makeQuietly(), await makeQuietly()];
    const links = made.map(({ key }) => ({ key, slot: slotOf(key) }));
    await db.deleteOwned({ userId: OWNER, links, changeId: newId() });
    expect((await takeEvents()).map(({ event }) => event)).to.deep.equal(['link.deleted', 'link.deleted']);
    await db.deleteOwned({ userId: OWNER, links, changeId: newId() });
    await db.releaseOwned({ userId: OWNER, links, changeId: newId(), isDeleting: true });
    expect(await takeEvents()).to.deep.equal([]);
  });
});
