import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { createConnection, type Connection } from 'mysql2/promise';
import { slotOf } from '../../db/keyspace/placement.ts';
import { migrate } from '../../db/mysql/migrate.ts';
import { createLog } from '../../runtime/log.ts';
import { MARIADB_OPERATOR, startMariaDb } from '../../scripts/servers/mariadb.ts';
import { stopAtEnd, testFolder } from '../servers.ts';
import { until } from '../until.ts';
import { send, shorten, type Answer } from './client.ts';
import { createWorld, randomKeys, type TestMapper, type World } from './world.ts';

const log = createLog('test', 'sick-writes', 'silent');

/** A user of a mapper in production: all rights on its database, none on the server. */
const MAPPER_USER = 'mapper';
/** No answer of 503 may take longer. */
const REFUSED_MS = 1_500;
/** Shortens of the load, one every 36 ms: 27 a second. */
const EVERY_MS = 36;

interface Timed {
  readonly answer: Answer;
  readonly ms: number;
}

describe('a urls server that answers reads and does not write', () => {
  let world: World;
  let admin: Connection;
  let adminUrl: string;
  let urls: { name: string; url: string; slots: readonly number[] }[];
  let mapper: TestMapper;

  before(async function () {
    this.timeout(60_000);
    const password = randomBytes(12).toString('hex');
    const dir = join(testFolder(), 'sick-writes');
    const server = await stopAtEnd(
      startMariaDb({ id: 'sick-writes', dir, logFile: `${dir}.log`, password, flushLogAtCommit: 0 }),
    );
    const urlOf = (user: string): string => `mysql://${user}:${password}@127.0.0.1:${server.port}/urls`;
    await migrate(urlOf(MARIADB_OPERATOR), 'urls', log);
    adminUrl = urlOf(MARIADB_OPERATOR);
    admin = await createConnection(adminUrl);
    await admin.query(`CREATE USER '${MAPPER_USER}'@'127.0.0.1' IDENTIFIED BY '${password}'`);
    await admin.query(`GRANT ALL ON urls.* TO '${MAPPER_USER}'@'127.0.0.1'`);
    world = await createWorld({ keys: 2_000 });
    urls = world.urls.map(({ name, url, slots }, index) => ({
      name,
      url: index === 0 ? urlOf(MAPPER_USER) : url,
      slots,
    }));
    mapper = await world.start({ stores: { redis: world.redis, urlsDbs: urls }, reserve: 64 });
  });

  afterEach(async function () {
    this.timeout(20_000);
    await admin.query('UNLOCK TABLES');
    await admin.query('BACKUP STAGE END').catch(() => undefined);
    await admin.query('SET GLOBAL read_only = 0');
    await admin.query('SET GLOBAL max_connections = 1000');
    await until('recovery', async () => (await degraded()) === '[]');
  });

  after(async function () {
    this.timeout(20_000);
    await admin.end();
    await world[Symbol.asyncDispose]();
  });

  let targets = 0;
  async function shortenOne(fields: Record<string, unknown> = {}): Promise<Timed> {
    const startedAt = performance.now();
    const answer = await shorten(mapper.url, {
      long_url: `https://example.com/${(targets += 1)}`,
      ...fields,
    });
    return { answer, ms: performance.now() - startedAt };
  }

  async function follow(key: string): Promise<number> {
    return (await send('GET', `${mapper.url}/${key}`)).status;
  }

  async function degraded(): Promise<string> {
    return JSON.stringify((await send('GET', `${mapper.adminUrl}/readyz`)).json()['degraded']);
  }

  /** A mapper that remembers no link, so that each redirect must read. */
  async function startForgetful(): Promise<TestMapper> {
    return world.start({ stores: { redis: world.redis, urlsDbs: urls }, cache: { maxBytes: 1, ttlMs: 1 } });
  }

  /** An alias whose slot is on the given urls server. */
  function aliasOn(index: number): string {
    const found = randomKeys(1_000).find((key) => urls[index]?.slots.includes(slotOf(key)));
    if (found === undefined) throw new Error('no such alias');
    return found;
  }

  /** Shortens 27 times a second for `ms`, in an open loop. */
  async function load(ms: number): Promise<Timed[]> {
    const answers: Promise<Timed>[] = [];
    const startedAt = performance.now();
    while (performance.now() - startedAt < ms) {
      answers.push(shortenOne());
      await delay(EVERY_MS);
    }
    return Promise.all(answers);
  }

  function expectHardlyAnyRefused(answers: readonly Timed[]): void {
    const refused = answers.filter(({ answer }) => answer.status !== 201);
    const shown = refused.map(({ answer, ms }) => `${answer.status} after ${Math.round(ms)} ms`).join(', ');
    expect(refused.length, shown).to.be.at.most(answers.length / 50);
    expect(Math.max(0, ...refused.map(({ ms }) => ms)), shown).to.be.lessThan(REFUSED_MS);
  }

  async function expectStored(answers: readonly Timed[]): Promise<void> {
    const links = answers.filter(({ answer }) => answer.status === 201).map(({ answer }) => answer.json());
    expect(new Set(links.map((link) => link['unique_id'])).size).to.equal(links.length);
    for (const link of links) {
      const answer = await send('GET', String(link['short_url']).replace(/^.*\//, `${mapper.url}/`));
      expect([answer.status, answer.headers['location']]).to.deep.equal([302, link['long_url']]);
    }
  }

  async function expectOnlyWritesDegraded(unseen: string): Promise<void> {
    await until('the breaker of the writes', async () => (await degraded()) === '["urls-1 writes"]');
    const { text } = await send('GET', `${mapper.adminUrl}/metrics`);
    expect(text).to.match(/^keymill_urls_db_up\{urls_db="urls-1"\} 1$/m);
    expect(text).to.match(/^keymill_urls_db_writable\{urls_db="urls-1"\} 0$/m);
    expect(await follow(unseen)).to.equal(302);
    const alias = await shortenOne({ custom_alias: aliasOn(0) });
    expect(alias.answer.status).to.equal(503);
    expect(alias.answer.headers['retry-after']).to.match(/^\d+$/);
    expect(alias.ms).to.be.lessThan(300);
    expect((await shortenOne({ custom_alias: aliasOn(1) })).answer.status).to.equal(201);
  }

  /** Aliases on the sick server that no mapper has in memory. */
  async function storeUnseen(count: number): Promise<string[]> {
    const other = await startForgetful();
    const aliases = Array.from({ length: count }, () => aliasOn(0));
    for (const custom_alias of aliases)
      expect((await shorten(other.url, { long_url: 'https://example.com/', custom_alias })).status).to.equal(
        201,
      );
    await other.terminate();
    return aliases;
  }

  for (const { what, begin, end } of [
    {
      what: 'all its tables are locked for reading',
      begin: ['FLUSH TABLES WITH READ LOCK'],
      end: ['UNLOCK TABLES'],
    },
    {
      what: 'a backup blocks every commit',
      begin: ['START', 'FLUSH', 'BLOCK_DDL', 'BLOCK_COMMIT'].map((stage) => `BACKUP STAGE ${stage}`),
      end: ['BACKUP STAGE END'],
    },
  ]) {
    it(`gets no new links while ${what}, and redirects go on`, async () => {
      const [unseen = '', early = ''] = await storeUnseen(2);
      const loaded = load(5_000);
      await delay(500);
      for (const statement of begin) await admin.query(statement);
      expect(await follow(early)).to.equal(302);
      await delay(1_500);
      await expectOnlyWritesDegraded(unseen);
      const answers = await loaded;
      expectHardlyAnyRefused(answers);
      for (const statement of end) await admin.query(statement);
      await until('recovery', async () => (await degraded()) === '[]');
      await expectStored(answers);
      expect((await shortenOne({ custom_alias: aliasOn(0) })).answer.status).to.equal(201);
    }).timeout(20_000);
  }

  it('gets no new links while it is read-only, and redirects go on', async () => {
    const [unseen = ''] = await storeUnseen(1);
    const loaded = load(3_000);
    await delay(500);
    await admin.query('SET GLOBAL read_only = 1');
    await delay(1_000);
    await expectOnlyWritesDegraded(unseen);
    const answers = await loaded;
    expectHardlyAnyRefused(answers);
    await admin.query('SET GLOBAL read_only = 0');
    await until('recovery', async () => (await degraded()) === '[]');
    await expectStored(answers);
  }).timeout(20_000);

  it('lets a mapper refuse soon, and then immediately, when the other servers do not write either', async () => {
    await admin.query('FLUSH TABLES WITH READ LOCK');
    const { sql } = world.urls[1] as World['urls'][number];
    await sql.query('LOCK TABLES urls READ');
    try {
      const first = await Promise.all(Array.from({ length: 20 }, async () => shortenOne()));
      expect(first.map(({ answer }) => answer.status)).to.deep.equal(first.map(() => 503));
      expect(Math.max(...first.map(({ ms }) => ms))).to.be.lessThan(2 * REFUSED_MS);
      const { answer, ms } = await shortenOne();
      expect(answer.status).to.equal(503);
      expect(ms).to.be.lessThan(300);
    } finally {
      await sql.query('UNLOCK TABLES');
    }
  }).timeout(10_000);

  it('is not used at all while a pending ALTER TABLE blocks reads too', async () => {
    const [unseen = ''] = await storeUnseen(1);
    const reader = await createConnection(adminUrl);
    const alterer = await createConnection(adminUrl);
    const loaded = load(4_000);
    await delay(500);
    await reader.query('START TRANSACTION');
    await reader.query('SELECT COUNT(*) FROM urls');
    const altered = alterer.query("ALTER TABLE urls COMMENT 'drilled'");
    await until('the breaker', async () => (await degraded()) === '["urls-1"]');
    expect(await follow(unseen)).to.equal(503);
    const answers = await loaded;
    expectHardlyAnyRefused(answers);
    await reader.query('COMMIT');
    await altered;
    await alterer.query("ALTER TABLE urls COMMENT ''");
    await Promise.all([reader.end(), alterer.end()]);
    await until('recovery', async () => (await degraded()) === '[]');
    await expectStored(answers);
  }).timeout(20_000);

  it('is used while it refuses further connections, until it has lost its own, and again afterwards', async () => {
    const [unseen = '', later = ''] = await storeUnseen(2);
    const loaded = load(4_000);
    // More than the server takes from now on, also when the mapper has lost its own.
    const others = await Promise.all(Array.from({ length: 11 }, async () => createConnection(adminUrl)));
    await admin.query('SET GLOBAL max_connections = 10');
    await delay(1_000);
    expect(await degraded()).to.equal('[]');
    expect(await follow(unseen)).to.equal(302);
    expect((await shortenOne({ custom_alias: aliasOn(0) })).answer.status).to.equal(201);
    await admin.query(`KILL CONNECTION USER '${MAPPER_USER}'@'127.0.0.1'`);
    await until('the breaker', async () => (await degraded()) === '["urls-1"]');
    expect(await follow(later)).to.equal(503);
    const answers = await loaded;
    expectHardlyAnyRefused(answers);
    await admin.query('SET GLOBAL max_connections = 1000');
    await Promise.all(others.map(async (other) => other.end()));
    await until('recovery', async () => (await degraded()) === '[]');
    expect(await follow(later)).to.equal(302);
    await expectStored(answers);
  }).timeout(20_000);
});
