import { expect } from 'chai';
import { slotOf } from '../../db/keyspace/placement.ts';
import type { OwnedRow } from '../../db/own-links/owned-insert.ts';
import { DuplicateRowError, OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import { Binder } from '../../mapper/urls/binder.ts';
import { Breaker } from '../../runtime/breaker.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { errorOf } from '../db/outcome.ts';
import { withSql } from '../db/urls-fixture.ts';
import { loseNextAnswer, loseRequest, startWire, through } from '../db/wire.ts';
import { openOwnLinksDb } from '../../db/own-links/own-links-db.ts';
import { openUrlsDb } from '../../db/urls/links.ts';
import { createLog } from '../../runtime/log.ts';
import { createKeyspace } from '../../db/keyspace/key.ts';
import { openCaches } from '../../mapper/caches.ts';
import { createMapperMetrics } from '../../mapper/metrics.ts';
import { openService, type Service } from '../../mapper/service.ts';
import { openStores } from '../../mapper/stores.ts';
import { createMetrics } from '../../runtime/metrics.ts';
import { send } from './client.ts';
import { createWorld, type World } from './world.ts';
import { createOwnLinksWorld, newOwner, ownedRow, type OwnLinksWorld } from './own-links-fixture.ts';

const QUIET = createLog('test', 'own', 'silent');

describe('an INSERT of links with an owner', () => {
  let world: OwnLinksWorld;

  before(async () => {
    world = await createOwnLinksWorld();
  });

  after(async () => {
    await world[Symbol.asyncDispose]();
  });

  /** A row whose key belongs to the first server. */
  function rowOfFirst(fields: Partial<OwnedRow> = {}): OwnedRow {
    for (;;) {
      const row = ownedRow(newOwner(), fields);
      if (world.servers[0]?.db.slots.includes(row.slot) === true) return row;
    }
  }

  async function count(key: string): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    await withSql(world.servers[0]?.url ?? '', async (sql) => {
      for (const table of ['urls', 'owned', 'link_tags']) {
        const [row] = await sql.query<{ n: number }>(
          `SELECT COUNT(*) AS n FROM ${table} WHERE slot = ? AND unique_id = ?`,
          [slotOf(key), key],
        );
        counts[table] = row?.n ?? 0;
      }
    });
    return counts;
  }

  it('writes the link, its place in the list and its tags, or nothing', async () => {
    const [taken, free] = [rowOfFirst({ tags: ['a'] }), rowOfFirst({ tags: ['a', 'b'] })];
    const { db } = world.servers[0] as { db: { insert(rows: OwnedRow[]): Promise<void> } };
    await db.insert([taken]);
    expect(await count(taken.key)).to.deep.equal({ urls: 1, owned: 1, link_tags: 1 });
    const rival = { ...rowOfFirst({ tags: ['c'] }), key: taken.key, slot: taken.slot };
    expect(await errorOf(db.insert([rival, free]))).to.be.instanceOf(DuplicateRowError);
    expect(await count(free.key)).to.deep.equal({ urls: 0, owned: 0, link_tags: 0 });
    expect(await count(taken.key)).to.deep.equal({ urls: 1, owned: 1, link_tags: 1 });
  });

  it('may be repeated when its request or its answer was lost', async () => {
    const url = world.servers[0]?.url ?? '';
    await using wire = await startWire(url);
    const db = openOwnLinksDb({
      name: 'urls-1',
      url: through(wire, url),
      slots: world.servers[0]?.db.slots ?? [],
    });
    const [lostAnswer, lostRequest] = [rowOfFirst({ tags: ['a'] }), rowOfFirst({ tags: ['a'] })];
    await db.insert([rowOfFirst({ tags: ['a'] })]);
    loseNextAnswer(wire);
    expect(await errorOf(db.insert([lostAnswer]))).to.be.instanceOf(OutcomeUnknownError);
    expect(await errorOf(db.insert([lostAnswer]))).to.be.instanceOf(DuplicateRowError);
    await db.insert([rowOfFirst({ tags: ['a'] })]);
    const outcome = await loseRequest(wire, async () => errorOf(db.insert([lostRequest])));
    expect(outcome).to.be.instanceOf(OutcomeUnknownError);
    await db.insert([lostRequest]);
    for (const { key } of [lostAnswer, lostRequest])
      expect(await count(key)).to.deep.equal({ urls: 1, owned: 1, link_tags: 1 });
    await db.close();
  });

  for (const tags of [[], ['x', 'y']])
    it(`binds every link with ${tags.length} tags once through a binder whose answers are cut off`, async () => {
      const url = world.servers[0]?.url ?? '';
      await using wire = await startWire(url);
      const slots = world.servers[0]?.db.slots ?? [];
      const own = openOwnLinksDb({ name: 'urls-1', url: through(wire, url), slots, timeoutMs: 500 });
      const plain = openUrlsDb({ name: 'urls-1', url, slots, log: QUIET });
      const breaker = new Breaker({ failures: 1_000, coolDownMs: 100, maxCoolDownMs: 200, now: monotonicMs });
      const binder = new Binder<OwnedRow>({
        store: { name: 'urls-1', insert: own.insert.bind(own), find: async (keys) => plain.find(keys) },
        breaker,
        hasOtherKeys: false,
        queueLimit: 1_000,
        onBatch: () => undefined,
        now: monotonicMs,
      });
      const expected = new Map<string, number>();
      for (let round = 0; round < 20; round += 1) {
        const some = Array.from({ length: 20 }, () => rowOfFirst({ tags }));
        if (round % 2 === 0) loseNextAnswer(wire);
        else setImmediate(() => wire.cut());
        for (const [at, outcome] of (
          await Promise.allSettled(
            some.map(
              async (row) => new Promise((finished, failed) => binder.bind({ row, finished, failed })),
            ),
          )
        ).entries()) {
          // The connection was cut before the INSERT was sent: then no row may be there.
          if (outcome.status === 'rejected') expect(outcome.reason).to.be.instanceOf(StoreUnavailableError);
          else expect(outcome.value).to.equal('bound');
          expected.set(some[at]?.key ?? '', outcome.status === 'fulfilled' ? 1 : 0);
        }
      }
      expect([...expected.values()].filter((rows) => rows === 1).length).to.be.above(200);
      for (const [key, rows] of expected)
        expect(await count(key)).to.deep.equal({ urls: rows, owned: rows, link_tags: tags.length * rows });
      await Promise.all([own.close(), plain.close()]);
    });
});

describe('a shorten by an owner', () => {
  let world: World;
  let service: Service;
  const stack = new AsyncDisposableStack();

  before(async function () {
    this.timeout(60_000);
    world = stack.use(await createWorld({ keys: 50 }));
    const config = world.configOf();
    const keyspace = createKeyspace(config.stores.keys);
    const registry = createMetrics();
    const metrics = createMapperMetrics(registry);
    const stores = stack.use(await openStores({ config, keyspace, onBatch: () => undefined, log: QUIET }));
    const { pools } = stores;
    const caches = stack.use(
      await openCaches({
        config,
        keyspace,
        pools,
        mayAppear: () => false,
        accounts: { hear: () => false, forgetAll: () => undefined },
        onAnnounced: () => undefined,
        log: QUIET,
      }),
    );
    service = stack.use(openService({ config, stores, caches, registry, metrics, log: QUIET }));
  });

  after(async function () {
    this.timeout(60_000);
    await service.finish();
    await stack.disposeAsync();
  });

  it('makes a link with a key of a pool, or with an alias, that its owner finds and lists', async () => {
    const owner = newOwner();
    const own = { userId: owner.userId, title: 'T', tags: ['a', 'b'], rules: {} };
    const request = { longUrl: 'https://example.com/own', expiresAt: null };
    const links = [
      await service.shortener.shorten({ ...request, alias: undefined, own }),
      await service.shortener.shorten({ ...request, alias: `own-${owner.userId}`, own }),
    ];
    await service.shortener.shorten({ ...request, alias: undefined });
    for (const { key, requestId } of links) {
      const found = await service.ownLinks.find(owner, key);
      expect(found).to.deep.include({
        key,
        longUrl: request.longUrl,
        title: 'T',
        tags: ['a', 'b'],
        version: 1,
        changedBy: requestId,
      });
    }
    const page = await service.ownLinks.list(
      { userId: owner.userId, state: 'active' },
      { cursor: undefined, limit: 10 },
    );
    expect('items' in page ? page.items.map(({ key }) => key) : page).to.have.members(
      links.map(({ key }) => key),
    );
    const again = service.shortener.shorten({ ...request, alias: `own-${owner.userId}`, own });
    expect(await errorOf(again)).to.have.property('code', 'alias-taken');
  });

  it('makes a link that another mapper follows by each new state at once', async () => {
    const other = await world.start();
    const owner = newOwner();
    const own = { userId: owner.userId, title: null, tags: [], rules: {} };
    const request = { longUrl: 'https://example.com/first', expiresAt: null };
    const { key } = await service.shortener.shorten({ ...request, alias: undefined, own });
    const follow = async (): Promise<string | undefined> => {
      const { status, headers, text } = await send('GET', `${other.url}/${key}`);
      return status === 302
        ? headers.location
        : (JSON.parse(text) as { type: string }).type.split(':').at(-1);
    };
    const { ownLinks } = service;
    expect(await follow()).to.equal('https://example.com/first');
    for (let round = 0; round < 5; round += 1) {
      const longUrl = `https://example.com/${round}`;
      const edited = await ownLinks.change(owner, key, { longUrl });
      expect(edited).to.have.deep.property('announced', { isHeardByAll: true, othersMayLagMs: 0 });
      expect(await follow()).to.equal(longUrl);
      await ownLinks.change(owner, key, { disabled: true });
      expect(await follow()).to.equal('link-disabled');
      await ownLinks.remove(owner, key);
      expect(await follow()).to.equal('link-deleted');
      await ownLinks.restore(owner, key);
      expect(await follow()).to.equal('link-disabled');
      await ownLinks.change(owner, key, { disabled: null });
      expect(await follow()).to.equal(longUrl);
      await ownLinks.change(newOwner(true), key, { blocked: 'spam' });
      expect(await follow()).to.equal('link-blocked');
      await ownLinks.change(newOwner(true), key, { blocked: null });
      expect(await follow()).to.equal(longUrl);
    }
  });
});
