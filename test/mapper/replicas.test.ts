import { expect } from 'chai';
import { createConnection, type Connection } from 'mysql2/promise';
import { slotOf } from '../../db/keyspace/placement.ts';
import { migrate } from '../../db/mysql/migrate.ts';
import { MismatchError } from '../../db/store-errors.ts';
import { createLog } from '../../runtime/log.ts';
import { testDatabase } from '../servers.ts';
import { until } from '../until.ts';
import { send, shorten, type Answer } from './client.ts';
import { viaProxy, type Proxied } from './faulty.ts';
import { createWorld, randomKeys, type MapperOverrides, type TestMapper, type World } from './world.ts';

const log = createLog('test', 'replicas', 'silent');

/** A cache that keeps nothing, so that every redirect reads a database. */
const FORGETFUL = { maxBytes: 1, ttlMs: 60_000 };

interface Copy extends Proxied {
  readonly server: string;
  readonly sql: Connection;
}

/** The tests copy rows themselves, so a replica lags exactly as far as a test needs. */
describe('read replicas', () => {
  let world: World;
  let primary: Proxied;
  let urlsDbs: World['urls'];
  let copies: Copy[] = [];

  beforeEach(async function () {
    this.timeout(60_000);
    world = await createWorld();
    copies = [];
    const [first, ...others] = world.urls;
    if (first === undefined) throw new Error('no urls server');
    const proxied = await viaProxy(first);
    primary = proxied;
    urlsDbs = [proxied, ...others];
    // A first mapper makes the servers record their slots.
    await (await world.start()).stop();
  });

  afterEach(async function () {
    this.timeout(60_000);
    for (const { proxy } of [primary, ...copies]) proxy.heal();
    await world[Symbol.asyncDispose]();
    for (const { sql } of copies) await sql.end();
    for (const { proxy } of [primary, ...copies]) await proxy.stop();
  });

  /**
   * A copy without links, with the record of slots of the first urls server, or of the one numbered `from`.
   */
  async function copy({ from = 0, hasRecord = true } = {}): Promise<Copy> {
    const url = await testDatabase('replica');
    await migrate(url, 'urls', log);
    const made = {
      ...(await viaProxy({ name: 'copy', url })),
      server: 'urls-1',
      sql: await createConnection(url),
    };
    copies.push(made);
    if (hasRecord) await copyTable('slots', made, from);
    return made;
  }

  async function copyTable(table: 'slots' | 'urls', to: Copy, from = 0): Promise<void> {
    const source = new URL(world.urls[from]?.url ?? '').pathname.slice(1);
    await to.sql.query(`INSERT INTO \`${table}\` SELECT * FROM \`${source}\`.\`${table}\``);
  }

  async function start(overrides: MapperOverrides = {}): Promise<TestMapper> {
    const mapper = await world.start({
      cache: FORGETFUL,
      urlsReplicas: copies,
      stores: { urlsDbs },
      ...overrides,
    });
    return mapper;
  }

  /** Links that exist on the primary only; their keys. */
  async function create(mapper: TestMapper, count = 1): Promise<string[]> {
    const keys = randomKeys(1_000)
      .filter((key) => slotOf(key) < 16)
      .slice(0, count);
    for (const custom_alias of keys) {
      const long_url = `https://example.com/${custom_alias}`;
      // On a busy machine an answer may be lost, and the link exists then.
      await until('the link', async () =>
        [201, 409].includes((await shorten(mapper.url, { long_url, custom_alias })).status),
      );
    }
    return keys;
  }

  /** Marks the links of a copy, so that an answer shows where it came from. */
  async function mark(to: Copy, by: string): Promise<void> {
    await to.sql.query(`UPDATE urls SET original_url = CONCAT(original_url, '?${by}')`);
  }

  /**
   * Links that all of `copies` have, each copy with its own mark. Mappers started later received no
   * announcement of them.
   */
  async function createCopied(count = 1): Promise<string[]> {
    const keys = await create(await world.start(), count);
    for (const [index, to] of copies.entries()) {
      await copyTable('urls', to);
      await mark(to, `copy-${index + 1}`);
    }
    return keys;
  }

  async function follow(mapper: TestMapper, key: string | undefined): Promise<Answer> {
    return send('GET', `${mapper.url}/${key}`);
  }

  async function target(mapper: TestMapper, key: string | undefined): Promise<string | number | undefined> {
    const { status, headers } = await follow(mapper, key);
    return status === 302 ? headers.location?.replace('https://example.com/', '') : status;
  }

  /** To be repeated, because a mapper that has just started may not listen yet. */
  async function announce(key: string | undefined): Promise<void> {
    for (const { client } of world.redis) await client.publish('keymill:invalidate', String(key));
  }

  async function degraded(mapper: TestMapper): Promise<string> {
    return JSON.stringify((await send('GET', `${mapper.adminUrl}/readyz`)).json()['degraded']);
  }

  async function timed<T>(work: () => Promise<T>): Promise<{ result: T; ms: number }> {
    const startedAt = performance.now();
    const result = await work();
    return { result, ms: performance.now() - startedAt };
  }

  it('answer for the links they have, in turn', async () => {
    await copy();
    await copy();
    const [key] = await createCopied();
    const mapper = await start();
    await until('its servers', async () => (await degraded(mapper)) === '[]');
    const seen: unknown[] = [];
    await until('both', async () => {
      seen.push(await target(mapper, key));
      return seen.includes(`${key}?copy-1`) && seen.includes(`${key}?copy-2`);
    });
    const { text } = await send('GET', `${mapper.adminUrl}/metrics`);
    const found = seen.filter((each) => each !== 503).length;
    expect(text).to.include(`keymill_redirects_total{result="found",source="db"} ${found}`);
    expect(text).to.include('keymill_urls_replica_up{replica="urls-1-replica-2"} 1');
  });

  it('never decide that there is no such link: the primary is asked, and only its 404 is remembered', async () => {
    const [replica] = [await copy()];
    const [bound] = await create(await world.start());
    // It received no announcement of the link: it asks the primary only because the replica does not have it.
    const mapper = await start({ cache: { maxBytes: 2 ** 20, ttlMs: 60_000 } });
    // On a busy machine a look-up may miss its deadline, which is 503 and proves nothing.
    await until('its servers', async () => (await degraded(mapper)) === '[]');
    const answerFor = async (key: string | undefined): Promise<string | number | undefined> =>
      until('an answer', async () => [await target(mapper, key)].find((answer) => answer !== 503));
    expect(await answerFor(bound)).to.equal(bound);
    const [unknown] = randomKeys(1_000).filter((key) => slotOf(key) < 16);
    expect(await answerFor(unknown)).to.equal(404);
    // It is remembered: not even the replica is asked.
    await replica.proxy.stop();
    primary.proxy.silence();
    expect(await target(mapper, unknown)).to.equal(404);
  });

  it('are not asked about a link that has changed, however often it is read', async () => {
    await copy();
    const [key] = await createCopied();
    const mapper = await start();
    expect(await target(mapper, key)).to.equal(`${key}?copy-1`);
    await world.urls[0]?.sql.query("UPDATE urls SET original_url = 'https://example.com/new'");
    await until('the new target', async () => {
      await announce(key);
      return (await target(mapper, key)) === 'new';
    });
    for (let read = 0; read < 10; read += 1) expect(await target(mapper, key)).to.equal('new');
  });

  it('cost one bounded wait when they hang, then none, and are used again when they answer', async () => {
    const [replica] = [await copy()];
    const keys = await createCopied(3);
    const mapper = await start();
    await target(mapper, keys[0]);
    replica.proxy.silence();
    const { result, ms } = await timed(async () => Promise.all(keys.map(async (key) => target(mapper, key))));
    expect(result).to.deep.equal(keys);
    expect(ms).to.be.lessThan(750);
    await until('the breaker', async () => (await degraded(mapper)) === '["urls-1-replica-1"]');
    await until('an answer without a wait', async () => {
      const without = await timed(async () => target(mapper, keys[0]));
      return without.result === keys[0] && without.ms < 200;
    });
    replica.proxy.heal();
    await until('the replica', async () => (await target(mapper, keys[0])) === `${keys[0]}?copy-1`);
    expect(await degraded(mapper)).to.equal('[]');
  });

  it('serve the links they have while the primary is down; any other key is 503, never 404', async () => {
    await copy();
    const [key, changed] = await createCopied(2);
    const [unseen] = await create(await world.start());
    const mapper = await start();
    await primary.proxy.stop();
    await until('the breaker', async () => (await degraded(mapper)) === '["urls-1"]');
    expect(await target(mapper, key)).to.equal(`${key}?copy-1`);
    expect(await target(mapper, unseen)).to.equal(503);
    await until('the invalidation', async () => {
      await announce(changed);
      return (await target(mapper, changed)) === 503;
    });
    for (let read = 0; read < 5; read += 1) expect(await target(mapper, changed)).to.equal(503);
    expect(
      await target(
        mapper,
        randomKeys(1_000).find((any) => slotOf(any) < 16),
      ),
    ).to.equal(503);
    // The other primary is lost as well. Redirects continue, so the mapper must stay ready.
    const lonely = await start({
      stores: { urlsDbs: urlsDbs.map((db) => ({ ...db, url: db.url.replace(/:\d+\//, ':1/') })) },
    });
    expect(await target(lonely, key)).to.equal(`${key}?copy-1`);
    expect((await send('GET', `${lonely.adminUrl}/readyz`)).status).to.equal(200);
    expect((await shorten(lonely.url, { long_url: 'https://example.com/' })).status).to.equal(503);
  });

  it('let a redirect be answered within a second when they hang and the primary hangs as well', async () => {
    const [replica] = [await copy()];
    const keys = await createCopied(20);
    const mapper = await start();
    await target(mapper, keys[0]);
    replica.proxy.silence();
    primary.proxy.silence();
    const answers = await Promise.all(keys.map(async (key) => timed(async () => target(mapper, key))));
    expect(answers.map(({ result }) => result)).to.deep.equal(keys.map(() => 503));
    expect(Math.max(...answers.map(({ ms }) => ms))).to.be.lessThan(1_000);
  });

  it('are not needed: a mapper starts and serves without them', async () => {
    const [replica] = [await copy()];
    const [key] = await createCopied();
    await replica.proxy.stop();
    const mapper = await start();
    expect(await target(mapper, key)).to.equal(key);
    expect(await degraded(mapper)).to.equal('["urls-1-replica-1"]');
  });

  it('are refused when they copy another server', async () => {
    await copy({ from: 1 });
    // A mapper that could not check it in time starts, and does not use it.
    const error = await until('the refusal', async () =>
      start().then(
        async (mapper) => mapper.stop(),
        (reason: unknown) => reason,
      ),
    );
    expect(error).to.be.instanceOf(MismatchError);
    expect(String(error)).to.include('KEYMILL_URLS_REPLICAS').and.to.include('urls-1');
  });

  it('are never written to, and are used as soon as they have the record of slots', async () => {
    const [replica] = [await copy({ hasRecord: false })];
    const [key] = await createCopied();
    const mapper = await start();
    expect(await target(mapper, key)).to.equal(key);
    const [made] = await create(mapper);
    const [rows] = await replica.sql.query('SELECT * FROM slots');
    expect(rows).to.deep.equal([]);
    expect((await replica.sql.query('SELECT 1 FROM urls WHERE unique_id = ?', [made]))[0]).to.deep.equal([]);
    await copyTable('slots', replica);
    await until('the replica', async () => (await target(mapper, key)) === `${key}?copy-1`);
  });
});
