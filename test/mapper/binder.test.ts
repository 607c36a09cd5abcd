import { expect } from 'chai';
import { isLinkInsert } from '../../drills/proxy/proxy.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import { migrate } from '../../db/mysql/migrate.ts';
import { StoreRefusedError, StoreUnavailableError } from '../../db/store-errors.ts';
import { type LinkRow } from '../../db/urls/link.ts';
import { openUrlsDb, type UrlsDb } from '../../db/urls/links.ts';
import { Binder, type BindOutcome } from '../../mapper/urls/binder.ts';
import { Breaker } from '../../runtime/breaker.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { ALL_SLOTS } from '../../runtime/config/slots.ts';
import { createLog } from '../../runtime/log.ts';
import { testDatabase } from '../servers.ts';
import { until } from '../until.ts';
import { viaProxy, type Proxied } from './faulty.ts';
import { randomKeys } from './world.ts';

const log = createLog('test', 'binder', 'silent');

describe('the binder', () => {
  let server: Proxied;
  let db: UrlsDb;
  let direct: UrlsDb;
  let breaker: Breaker;
  let binder: Binder;
  let batches: number[];
  let inserts: number[];

  before(async function () {
    this.timeout(60_000);
    const url = await testDatabase('binder');
    await migrate(url, 'urls', log);
    server = await viaProxy({ name: 'urls-1', url });
    direct = openUrlsDb({ name: 'urls-1', url, slots: ALL_SLOTS, log });
  });

  after(async () => {
    await direct.close();
    await server.proxy.stop();
  });

  beforeEach(() => {
    batches = [];
    inserts = [];
    db = openUrlsDb({ name: 'urls-1', url: server.url, slots: ALL_SLOTS, log });
    const insert = db.insert.bind(db);
    db.insert = async (rows, options) => {
      inserts.push(rows.length);
      return insert(rows, options);
    };
    breaker = new Breaker({ failures: 2, coolDownMs: 100, maxCoolDownMs: 200, now: monotonicMs });
    binder = new Binder({
      store: db,
      hasOtherKeys: true,
      breaker,
      queueLimit: 1_000,
      onBatch: (rows) => batches.push(rows),
      now: monotonicMs,
    });
  });

  afterEach(async () => {
    server.proxy.heal();
    await binder.idle();
    await db.close();
  });

  function row(key: string, overrides: Partial<LinkRow> = {}): LinkRow {
    return {
      key,
      slot: slotOf(key),
      longUrl: `https://example.com/${key}`,
      userId: null,
      createdAt: new Date(),
      expiresAt: null,
      requestId: randomKeys(2)
        .map((part) => Buffer.from(part, 'latin1').toString('hex'))
        .join(''),
      ...overrides,
    };
  }

  async function bindKey(keyRow: LinkRow): Promise<BindOutcome> {
    return new Promise((finished, failed) => binder.bind({ row: keyRow, finished, failed }));
  }

  async function bindKeys(keys: readonly string[]): Promise<BindOutcome[]> {
    return Promise.all(keys.map(async (key) => bindKey(row(key))));
  }

  it('shares INSERTs between concurrent requests: the slower the server, the more rows in each', async () => {
    const keys = randomKeys(300);
    const [first = '', ...others] = keys;
    const leading = bindKey(row(first));
    await until('the first INSERT', () => inserts.length === 1);
    await Promise.all([leading, bindKeys(others)]);
    expect(inserts).to.deep.equal([1, 256, 43]);
    expect((await direct.existing(keys)).size).to.equal(300);
  });

  it('distinguishes taken keys from bound ones, and binds the rest of the batch', async () => {
    const keys = randomKeys(50);
    const taken = keys.slice(10, 20);
    await direct.insert(taken.map((key) => row(key, { longUrl: 'https://example.com/first' })));
    const outcomes = await bindKeys(keys);
    for (const [index, key] of keys.entries())
      expect(outcomes[index]).to.equal(taken.includes(key) ? 'taken' : 'bound');
    const stored = await direct.find(taken);
    expect(new Set(stored.map(({ longUrl }) => longUrl))).to.deep.equal(
      new Set(['https://example.com/first']),
    );
    expect(batches).to.deep.equal([40]);
  });

  it('binds a key that occurs twice in one batch to the first row', async () => {
    const [key = ''] = randomKeys(1);
    const outcomes = await Promise.all([
      bindKey(row(key, { longUrl: 'https://example.com/first' })),
      bindKey(row(key, { longUrl: 'https://example.com/second' })),
    ]);
    expect(outcomes).to.deep.equal(['bound', 'taken']);
    expect((await direct.find([key]))[0]?.longUrl).to.equal('https://example.com/first');
  });

  it('binds the rows of one request in one batch as one row', async () => {
    const [key = '', other = ''] = randomKeys(2);
    const one = row(key);
    const outcomes = await Promise.all([
      bindKey(one),
      bindKey(row(other)),
      bindKey(one),
      bindKey(row(key, { longUrl: 'https://example.com/second' })),
      bindKey(one),
    ]);
    expect(outcomes).to.deep.equal(['bound', 'bound', 'bound', 'taken', 'bound']);
    expect((await direct.find([key]))[0]?.requestId).to.equal(one.requestId);
  });

  it('binds a key that is also requested as an alias to the first of the two rows', async () => {
    for (const key of randomKeys(10)) {
      const outcomes = await Promise.all([binder.bindAlias(row(key)), bindKey(row(key))]);
      expect(outcomes.toSorted()).to.deep.equal(['bound', 'taken']);
    }
  });

  it('lets one row that the store refuses fail alone', async () => {
    const keys = randomKeys(20);
    const outcomes = await Promise.allSettled(
      keys.map(async (key, index) => bindKey(row(key, index === 7 ? { longUrl: 'https://ä.example/' } : {}))),
    );
    const failed = outcomes.flatMap((outcome, index) => (outcome.status === 'rejected' ? [index] : []));
    expect(failed).to.deep.equal([7]);
    expect((outcomes[7] as PromiseRejectedResult).reason).to.be.instanceOf(StoreRefusedError);
    expect((await direct.existing(keys)).size).to.equal(19);
  });

  it('finds its own rows again when the answer was lost after commit', async () => {
    const keys = randomKeys(30);
    server.proxy.cutBeforeReplyTo(isLinkInsert);
    expect(new Set(await bindKeys(keys))).to.deep.equal(new Set(['bound']));
    expect(inserts).to.deep.equal([30, 30]);
    expect((await direct.existing(keys)).size).to.equal(30);
  });

  it('binds its rows when the INSERT never reached the server', async () => {
    const keys = randomKeys(30);
    await bindKeys(randomKeys(1));
    inserts.length = 0;
    const insert = db.insert.bind(db);
    let isFirst = true;
    db.insert = async (rows, options) => {
      if (isFirst) {
        isFirst = false;
        server.proxy.cut();
      }
      return insert(rows, options);
    };
    expect(new Set(await bindKeys(keys))).to.deep.equal(new Set(['bound']));
    expect((await direct.existing(keys)).size).to.equal(30);
  });

  it('gives up in bounded time when the server hangs; failQueued fails all waiting rows immediately', async () => {
    server.proxy.silence();
    const startedAt = monotonicMs();
    const leading = bindKey(row(randomKeys(1)[0] ?? '')).catch((error: unknown) => error);
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    const waiting = bindKey(row(randomKeys(1)[0] ?? '')).catch((error: unknown) => error);
    binder.failQueued();
    expect(await waiting).to.be.instanceOf(StoreUnavailableError);
    expect(monotonicMs() - startedAt).to.be.lessThan(500);
    expect(await leading).to.be.instanceOf(Error);
    expect(monotonicMs() - startedAt).to.be.lessThan(5_000);
  });

  it('throws when a caller has more rows under way than the queue holds', async () => {
    binder = new Binder({
      hasOtherKeys: true,
      store: db,
      breaker,
      queueLimit: 5,
      onBatch: () => undefined,
      now: monotonicMs,
    });
    for (const bind of [bindKey, async (one: LinkRow) => binder.bindAlias(one)]) {
      const outcomes = await Promise.allSettled(randomKeys(9).map(async (key) => bind(row(key))));
      const reasons = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
      expect(reasons.map(String)).to.deep.equal(
        Array.from(
          { length: 4 },
          () => 'Error: more than 5 rows wait for urls-1: no more than that may be under way',
        ),
      );
    }
  });
});
