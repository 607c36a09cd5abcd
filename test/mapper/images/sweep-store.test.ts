import { expect } from 'chai';
import { BlobRefusedError } from '../../../db/blobs/blob-errors.ts';
import type { BlobStore } from '../../../db/blobs/blob-store.ts';
import { slotOf } from '../../../db/keyspace/placement.ts';
import { createSweepJob, type SweepCounts } from '../../../mapper/images/sweep-job.ts';
import { whyOthersShare, whyShared } from '../../../mapper/images/store-owner.ts';
import type { SweptRows } from '../../../mapper/images/sweep-piece.ts';
import { openSweptRows, type OpenSweptRows } from '../../../mapper/images/swept-rows.ts';
import { contentOf } from '../../db/blobs/contents.ts';
import { keyspace, log } from '../../db/keys-db-fixture.ts';
import { keyIn, LOWER, UPPER, withSql } from '../../db/urls-fixture.ts';
import { openImageWorld, type ImageWorld, type StoreKind } from './image-world.ts';

const DAY_MS = 86_400_000;

function inDays(days: number): Date {
  return new Date(Date.now() + days * DAY_MS);
}

for (const kind of ['directory', 's3'] satisfies StoreKind[])
  describe(`the sweep of a store of the kind ${kind}`, function () {
    this.timeout(60_000);
    let world: ImageWorld;
    let rows: OpenSweptRows;
    const swept: string[] = [];
    const rounds: boolean[] = [];
    const counts: SweepCounts = {
      swept: (why) => swept.push(why),
      ended: (isWhole) => rounds.push(isWhole),
    };

    beforeEach(async () => {
      world = await openImageWorld(kind);
      rows = openSweptRows({ stores: world.stores, keyspace, log });
      await world.beat();
      swept.length = 0;
      rounds.length = 0;
    });

    afterEach(async () => {
      await rows[Symbol.asyncDispose]();
      await world[Symbol.asyncDispose]();
    });

    /** A round from its begin, or from a position. */
    async function sweep({
      inDays: days = 0,
      from,
      store = world.store,
      rows: read = rows,
    }: { inDays?: number; from?: string; store?: BlobStore; rows?: SweptRows } = {}): Promise<void> {
      const now = (): number => inDays(days).getTime();
      const job = createSweepJob({ store, keyspace, rows: read, counts, log, now });
      let position: string | undefined = from;
      do position = await job.step(undefined as never, { position, doneAt: undefined }, () => undefined);
      while (position !== undefined);
    }

    it('takes what no link needs, and nothing else', async () => {
      const kept = await Promise.all([
        world.addImage(),
        world.addImage({ deletedAt: -29 }),
        world.addImage({ expiresAt: -29 }),
        world.addImage({ rules: { disabled: true } }),
        world.addImage({ rules: { blocked: 'bad' } }),
        world.addImage({ rules: { newer: true } }),
      ]);
      const [first] = kept;
      const thumbnail = `${first?.blob}-160`;
      await world.store.put(thumbnail, contentOf(Buffer.from('thumbnail')));
      const deleted = await world.addImage({ deletedAt: -31 });
      await world.store.put(`${deleted.blob}-640`, contentOf(Buffer.from('thumbnail')));
      const lapsed = await world.addImage({ expiresAt: -31 });
      await world.store.put(`${lapsed.blob}-640`, contentOf(Buffer.from('thumbnail')));
      const unbound = await world.put();
      const otherBytes = await world.put(first?.key);
      const stays = [...kept.map(({ blob }) => blob), thumbnail, unbound, otherBytes];

      await sweep();
      expect(await world.names()).to.have.members(stays);
      expect(swept.toSorted()).to.deep.equal(['deleted', 'deleted', 'expired', 'expired']);
      // Its owner cannot move the expiry any more.
      const { rows: ended } = await rows.read([lapsed.key]);
      expect(ended.get(lapsed.key)).to.deep.include({ isGone: true, rules: {} });

      swept.length = 0;
      await sweep({ inDays: 2 });
      expect(await world.names()).to.have.members([...kept.map(({ blob }) => blob), thumbnail]);
      expect(swept.toSorted()).to.deep.equal(['other-bytes', 'unbound']);
      expect(rounds).to.deep.equal([true, true]);
    });

    it('takes nothing whose server does not answer, and says that the round is not whole', async () => {
      const [lower, upper] = [await world.put(keyIn(LOWER)), await world.put(keyIn(UPPER))];
      const [first] = world.stores.urlsDbs;
      const away = openSweptRows({
        keyspace,
        log,
        stores: {
          ...world.stores,
          urlsDbs: world.stores.urlsDbs.map((db) =>
            db === first ? { ...db, url: db.url.replace(/:\d+\//, ':1/') } : db,
          ),
        },
      });
      const read = await away.read([lower, upper].map((name) => name.split('/')[1] ?? ''));
      expect([...read.notRead]).to.deep.equal([lower.split('/')[1]]);
      await rows[Symbol.asyncDispose]();
      rows = away;
      await sweep({ inDays: 2 });
      // The server that is away cannot be judged either, so the other blob stays too.
      expect(await world.names()).to.have.members([lower, upper]);
      expect(rounds).to.deep.equal([false]);
    });

    it('takes nothing of a slot that no server says it has', async () => {
      const blob = await world.put(keyIn(LOWER));
      await withSql(world.system.urlsDbUrls[0] ?? '', async (sql) =>
        sql.execute('UPDATE slots SET owned = 0 WHERE slot = ?', [slotOf(blob.split('/')[1] ?? '')]),
      );
      await sweep({ inDays: 2 });
      expect(await world.names()).to.deep.equal([blob]);
    });

    it('takes nothing while a urls server has gone back, until an operator has spoken', async () => {
      const blob = await world.put();
      await world.beat();
      await withSql(world.system.urlsDbUrls[0] ?? '', async (sql) =>
        sql.execute('UPDATE marks SET beat = beat - 1'),
      );
      await sweep({ inDays: 2 });
      expect(await world.names(), 'before a producer has seen it').to.deep.equal([blob]);
      await world.beat();
      await sweep({ inDays: 2 });
      expect(await world.names(), 'after that').to.deep.equal([blob]);
      for (const { db } of world.system.shards)
        await db.recordWriteOff({ urlsDb: 'urls-1', slots: LOWER, kind: 'restored', reason: 'a test' });
      await sweep({ inDays: 2 });
      expect(await world.names()).to.deep.equal([]);
    });

    it('takes nothing where another cluster keeps images too', async () => {
      const blob = await world.put();
      await sweep();
      expect(await whyShared(world.store, keyspace)).to.equal(undefined);
      expect(await whyOthersShare(world.store, keyspace)).to.equal(undefined);
      await world.store.put(`keyspaces/${'f'.repeat(64)}`, contentOf(Buffer.from('theirs')));
      await sweep({ inDays: 2 });
      expect(await world.names()).to.deep.equal([blob]);
      expect(await whyOthersShare(world.store, keyspace)).to.include('another cluster');
    });

    it('looks again before each deletion: what was bound or stored again meanwhile stays', async () => {
      const [bound, stored] = [await world.put(), await world.put()];
      const real = rows;
      const store: BlobStore = {
        name: world.store.name,
        put: async (...put) => world.store.put(...put),
        get: async (...get) => world.store.get(...get),
        stat: async (name) => {
          const found = await world.store.stat(name);
          // As if it had been stored again.
          return found && name === stored ? { ...found, storedAt: inDays(2) } : found;
        },
        delete: async (name) => world.store.delete(name),
        list: (...list) => world.store.list(...list),
        checkWrites: async () => world.store.checkWrites(),
        close: async () => undefined,
      };
      const binding: SweptRows = {
        ...real,
        whyLost: async () => {
          await world.bind(bound);
          return real.whyLost();
        },
      };
      await sweep({ inDays: 2, store, rows: binding });
      expect(await world.names()).to.have.members([bound, stored]);
      expect(swept).to.deep.equal([]);
    });

    it('goes on behind a blob that the store does not delete, and says that the round is not whole', async () => {
      const names = [await world.put(), await world.put(), await world.put()].sort();
      const store: BlobStore = {
        name: world.store.name,
        put: async (...put) => world.store.put(...put),
        get: async (...get) => world.store.get(...get),
        stat: async (name) => world.store.stat(name),
        delete: async (name) => {
          if (name === names[1]) throw new BlobRefusedError(world.store.name, 'no right');
          await world.store.delete(name);
        },
        list: (...list) => world.store.list(...list),
        checkWrites: async () => world.store.checkWrites(),
        close: async () => undefined,
      };
      await sweep({ inDays: 2, store });
      expect(await world.names()).to.deep.equal([names[1]]);
      expect([swept, rounds]).to.deep.equal([['unbound', 'unbound'], [false]]);
    });

    it('goes on behind a position', async () => {
      const names = [];
      for (let n = 0; n < 6; n++) names.push(await world.put());
      await sweep();
      names.sort();
      await sweep({ inDays: 2, from: names[2] ?? '' });
      expect(await world.names()).to.deep.equal(names.slice(0, 3));
    });
  });
