import { expect } from 'chai';
import { slotOf } from '../../db/keyspace/placement.ts';
import { openOwnLinksDb } from '../../db/own-links/own-links-db.ts';
import { DuplicateRowError, OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import { etagOf } from '../../mapper/links/etag.ts';
import type { OwnLinks } from '../../mapper/links/own-links.ts';
import { pruneAll } from '../../mapper/links/prune-links.ts';
import { createLog } from '../../runtime/log.ts';
import { errorOf } from '../db/outcome.ts';
import { withSql } from '../db/urls-fixture.ts';
import { startWire, through } from '../db/wire.ts';
import {
  changedLink,
  createOwnLinksWorld,
  newOwner,
  openOwnLinks,
  ownedRow,
  whyRefused,
  type OwnLinksWorld,
  type TestServer,
} from './own-links-fixture.ts';

const QUIET = createLog('test', 'changes', 'silent');

/** A version that a link has had, as a trigger of the database recorded it. */
interface Recorded {
  readonly version: number;
  readonly title: string | null;
  readonly tags: number;
}

describe('changes of an own link', () => {
  let world: OwnLinksWorld;

  before(async () => {
    world = await createOwnLinksWorld();
    for (const { url } of world.servers)
      await withSql(url, async (sql) => {
        await sql.execute('CREATE TABLE history (unique_id VARCHAR(64), version INT, title VARCHAR(200))');
        await sql.execute(
          'CREATE TRIGGER record AFTER UPDATE ON urls FOR EACH ROW INSERT INTO history VALUES (NEW.unique_id, NEW.version, NEW.title)',
        );
      });
  });

  after(async () => {
    await world[Symbol.asyncDispose]();
  });

  function serverOf(key: string): TestServer {
    return world.servers.find(({ db }) => db.slots.includes(slotOf(key))) as TestServer;
  }

  /** The versions of a link after its first, in their order. */
  async function historyOf(key: string): Promise<Pick<Recorded, 'version' | 'title'>[]> {
    return withSql(serverOf(key).url, async (sql) =>
      sql.query<Recorded>('SELECT version, title FROM history WHERE unique_id = ? ORDER BY version', [key]),
    );
  }

  it('200 at the same time that name the version: one of them wins, the others have not happened', async () => {
    const owner = newOwner();
    const row = ownedRow(owner);
    await world.make(row);
    // As many mappers would do it: each has no turns in common with the others.
    const mappers = Array.from({ length: 4 }, () => openOwnLinks(world.servers));
    const winners: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      const link = await world.links.find(owner, row.key);
      const etag = link === undefined ? '' : etagOf(link);
      const results = await Promise.all(
        Array.from({ length: 200 }, async (_, at) => {
          const title = `${round}-${at}`;
          const links = mappers[at % mappers.length] as OwnLinks;
          const result = await links.change(owner, row.key, { title }, etag);
          return { title, why: whyRefused(result) };
        }),
      );
      const won = results.filter(({ why }) => why === undefined);
      expect(won).to.have.length(1);
      expect(new Set(results.map(({ why }) => why))).to.deep.equal(new Set([undefined, 'stale']));
      winners.push(...won.map(({ title }) => title));
    }
    expect(await historyOf(row.key)).to.deep.equal(winners.map((title, at) => ({ version: at + 2, title })));
  });

  it('200 at the same time that name no version all happen, each once', async () => {
    const owner = newOwner();
    const row = ownedRow(owner);
    await world.make(row);
    const mappers = [openOwnLinks(world.servers), openOwnLinks(world.servers)];
    const titles = Array.from({ length: 200 }, (_, at) => `free-${at}`);
    await Promise.all(
      titles.map(async (title, at) =>
        changedLink(await (mappers[at % 2] as OwnLinks).change(owner, row.key, { title })),
      ),
    );
    const history = await historyOf(row.key);
    expect(history.map(({ version }) => version)).to.deep.equal(titles.map((_, at) => at + 2));
    expect(history.map(({ title }) => title)).to.have.members(titles);
  });

  it('happen once and are never refused after they happened, whatever answers are cut off', async function () {
    this.timeout(60_000);
    const owner = newOwner();
    const row = ownedRow(owner, { tags: ['kept'] });
    await world.make(row);
    const { url, db: direct } = serverOf(row.key);
    await using wire = await startWire(url);
    const db = openOwnLinksDb({ name: 'urls', url: through(wire, url), slots: direct.slots, timeoutMs: 500 });
    const others = world.servers.filter((server) => server.db !== direct);
    const servers = [{ db, isUp: () => true, isWritable: () => true }, ...others];
    const outcomes = new Map<string, 'done' | 'stale' | 'unknown' | 'unavailable'>();
    const work = async (client: number): Promise<void> => {
      const links = openOwnLinks(servers);
      for (let at = 0; at < 25; at += 1) {
        const title = `${client}-${at}`;
        try {
          const link = await links.find(owner, row.key);
          if (link === undefined) throw new Error('the link is gone');
          // In every third change: the answer to the change is lost, or the read after it, or any statement.
          if (at % 6 === 1) wire.cutAfter((client + at) % 30);
          if (at % 6 === 4) setImmediate(() => wire.cut());
          const patch = { title, tags: ['kept', title] };
          const result = await links.change(owner, row.key, patch, etagOf(link));
          const why = whyRefused(result);
          expect([undefined, 'stale']).to.include(why);
          outcomes.set(title, why === undefined ? 'done' : 'stale');
        } catch (error) {
          if (error instanceof OutcomeUnknownError) outcomes.set(title, 'unknown');
          else if (error instanceof StoreUnavailableError) outcomes.set(title, 'unavailable');
          else throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: 6 }, async (_, client) => work(client)));
    wire.heal();
    await db.close();

    const history = await historyOf(row.key);
    const titles = history.map(({ title }) => title);
    expect(history.map(({ version }) => version)).to.deep.equal(history.map((_, at) => at + 2));
    expect(new Set(titles).size, 'a change happened twice').to.equal(titles.length);
    const counts = { done: 0, stale: 0, unknown: 0, unavailable: 0 };
    for (const [title, outcome] of outcomes) {
      counts[outcome] += 1;
      if (outcome === 'done') expect(titles, `${title} was acknowledged`).to.include(title);
      if (outcome === 'stale' || outcome === 'unavailable')
        expect(titles, `${title} was refused as ${outcome}`).not.to.include(title);
    }
    expect(counts.done, JSON.stringify(counts)).to.be.above(5);
    const last = await world.links.find(owner, row.key);
    expect(last?.tags).to.have.members(['kept', last?.title]);
  });

  it('leave no tag of a change that came too late', async () => {
    const owner = newOwner();
    const row = ownedRow(owner, { tags: ['a'] });
    await world.make(row);
    const { db } = serverOf(row.key);
    const read = await db.find(row.key);
    if (read === undefined) throw new Error('no link');
    const edit = async (tags: string[], changeId: string): Promise<boolean> =>
      db.change({ link: read, change: { kind: 'edit', state: { ...read, tags } }, changeId });
    expect(await edit(['first'], '1'.repeat(32))).to.equal(true);
    expect(await edit(['second'], '2'.repeat(32))).to.equal(false);
    expect((await db.find(row.key))?.tags).to.deep.equal(['first']);
    // A repetition of the change that happened changes nothing more.
    expect(await edit(['first'], '1'.repeat(32))).to.equal(false);
    expect(await db.find(row.key)).to.deep.include({ tags: ['first'], version: 2 });
  });

  it('announce a change also when it is not known whether it happened', async () => {
    const owner = newOwner();
    const row = ownedRow(owner);
    await world.make(row);
    const { url, db: direct } = serverOf(row.key);
    await using wire = await startWire(url);
    const db = openOwnLinksDb({ name: 'urls', url: through(wire, url), slots: direct.slots, timeoutMs: 300 });
    const heard: string[] = [];
    const change = db.change.bind(db);
    db.change = async (given) => {
      wire.silence();
      return change(given);
    };
    const links = openOwnLinks([{ db, isUp: () => true, isWritable: () => true }], heard);
    expect(await errorOf(links.change(owner, row.key, { title: 'T' }))).to.be.instanceOf(OutcomeUnknownError);
    expect(heard).to.include(row.key);
    wire.heal();
    await db.close();
  });

  describe('that delete', () => {
    /** Makes a link that was deleted `days` ago. */
    async function makeDeleted(days: number, tags: string[] = []): Promise<ReturnType<typeof ownedRow>> {
      const owner = newOwner();
      const row = ownedRow(owner, { tags, title: 'T', rules: { disabled: true } });
      await world.make(row);
      changedLink(await world.links.remove(owner, row.key));
      await withSql(serverOf(row.key).url, async (sql) => {
        for (const table of ['urls', 'deletions'])
          await sql.execute(
            `UPDATE ${table} SET deleted_at = deleted_at - INTERVAL ? HOUR WHERE slot = ? AND unique_id = ?`,
            [days * 24 + 1, row.slot, row.key],
          );
        await sql.execute(
          "INSERT INTO clicks (slot, unique_id, day, clicks) VALUES (?, ?, '2026-01-01', 3)",
          [row.slot, row.key],
        );
      });
      return row;
    }

    async function countRows(table: string, { slot, key }: { slot: number; key: string }): Promise<number> {
      return withSql(serverOf(key).url, async (sql) => {
        const found = await sql.query(`SELECT 1 FROM ${table} WHERE slot = ? AND unique_id = ?`, [slot, key]);
        return found.length;
      });
    }

    it('can be taken back for 30 days', async () => {
      const recent = await makeDeleted(29);
      const old = await makeDeleted(30);
      const callerOf = (row: typeof old): Parameters<OwnLinks['find']>[0] => ({
        userId: row.userId ?? 0n,
        isAdmin: false,
      });
      expect(changedLink(await world.links.restore(callerOf(recent), recent.key)).deletedAt).to.equal(null);
      expect(await countRows('deletions', recent)).to.equal(0);
      expect(whyRefused(await world.links.restore(callerOf(old), old.key))).to.equal('unknown');
      expect(await world.links.find(callerOf(old), old.key)).to.equal(undefined);
    });

    it('or only release them follow the end of an account', async () => {
      const [staying, deleting] = [newOwner(), newOwner()];
      for (const [owner, isDeleting] of [
        [staying, false],
        [deleting, true],
      ] as const) {
        const rows = Array.from({ length: 150 }, () => ownedRow(owner, { tags: ['t'] }));
        await world.make(...rows);
        world.heard.length = 0;
        expect(await world.links.leaveOwner(owner.userId, isDeleting)).to.deep.equal({
          links: 150,
          isDone: true,
        });
        expect(world.heard).to.have.length(isDeleting ? 150 : 0);
        const [row] = rows;
        if (row === undefined) throw new Error('no row');
        expect(await world.links.find(owner, row.key)).to.equal(undefined);
        const left = await world.links.find(newOwner(true), row.key);
        expect(left).to.deep.include({ userId: null, tags: [], longUrl: row.longUrl });
        expect(left?.deletedAt !== null).to.equal(isDeleting);
        for (const table of ['owned', 'link_tags']) expect(await countRows(table, row), table).to.equal(0);
        expect(await countRows('deletions', row)).to.equal(isDeleting ? 1 : 0);
        expect(await world.links.leaveOwner(owner.userId, isDeleting)).to.deep.equal({
          links: 0,
          isDone: true,
        });
      }
    });

    it('are cleared after 30 days, and the key is never free', async () => {
      const recent = await makeDeleted(29, ['x']);
      const old: Awaited<ReturnType<typeof makeDeleted>>[] = [];
      while (old.length < 120)
        old.push(...(await Promise.all(Array.from({ length: 30 }, async () => makeDeleted(30, ['x', 'y'])))));
      const { signal } = new AbortController();
      // Two mappers at the same time.
      await Promise.all([pruneAll(world.servers, signal, QUIET), pruneAll(world.servers, signal, QUIET)]);
      for (const row of old) {
        for (const table of ['owned', 'link_tags', 'clicks', 'deletions'])
          expect(await countRows(table, row), table).to.equal(0);
        expect(await errorOf(world.make(ownedRow(newOwner(), { key: row.key })))).to.be.instanceOf(
          DuplicateRowError,
        );
      }
      const [some] = old;
      const kept = await withSql(serverOf(some?.key ?? '').url, async (sql) =>
        sql.query(
          'SELECT original_url, ruled_url, title, rules, deleted_at IS NULL AS lives FROM urls WHERE unique_id = ?',
          [some?.key ?? ''],
        ),
      );
      expect(kept).to.deep.equal([
        { original_url: null, ruled_url: null, title: null, rules: null, lives: 0 },
      ]);
      for (const table of ['owned', 'link_tags', 'clicks', 'deletions'])
        expect(await countRows(table, recent), table).to.equal(1);
    });

    it('are cleared also behind one that cannot be', async () => {
      // The first is the one that was deleted first.
      const stuck = await makeDeleted(40);
      const server = serverOf(stuck.key);
      const onServer: Awaited<ReturnType<typeof makeDeleted>>[] = [];
      while (onServer.length <= 50) {
        const some = await Promise.all(Array.from({ length: 25 }, async () => makeDeleted(30)));
        onServer.push(...some.filter(({ slot }) => server.db.slots.includes(slot)));
      }
      const db = openOwnLinksDb({ name: server.db.name, url: server.url, slots: server.db.slots });
      const prune = db.prune.bind(db);
      // Its row is locked: this is what the server says after a second.
      db.prune = async (links) => {
        if (links.some(({ key }) => key === stuck.key)) throw new StoreUnavailableError('urls', 'lock wait');
        await prune(links);
      };
      const { signal } = new AbortController();
      await pruneAll([{ ...server, db }], signal, QUIET);
      for (const row of onServer) expect(await countRows('deletions', row)).to.equal(0);
      expect(await countRows('deletions', stuck)).to.equal(1);
      await pruneAll(world.servers, signal, QUIET);
      expect(await countRows('deletions', stuck)).to.equal(0);
      await db.close();
    });
  });
});
