import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { createConnection, type Connection } from 'mysql2/promise';
import { migrate } from '../../db/mysql/migrate.ts';
import { databaseOf } from '../../db/mysql/mysql.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { createLog, type Log } from '../../runtime/log.ts';
import { testDatabase } from '../servers.ts';
import { until } from '../until.ts';
import { send, shorten, type Answer } from './client.ts';
import { createWorld, type TestMapper, type World } from './world.ts';

const STALL_MS = 2_000;
/** How long the stores keep an answer back, so that the loop is blocked before it comes. */
const HELD_MS = 400;

/** Blocks the event loop, and with it the mapper of this process. */
function block(ms: number): void {
  const untilMs = monotonicMs() + ms;
  while (monotonicMs() < untilMs);
}

describe('a mapper whose event loop is blocked for 2 s, with healthy stores', () => {
  let world: World;
  let mapper: TestMapper;
  let admin: Connection;
  let databases: string[];
  let keys: string[];
  const warnings: string[] = [];

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ shards: 1, keys: 2_000 });
    const log = createLog('test', 'stalled', 'silent');
    log.warn = ((fields: object, text: string) =>
      warnings.push(`${text} ${JSON.stringify(fields)}`)) as unknown as Log['warn'];
    // A first mapper makes the servers record their slots.
    await (await world.start()).stop();
    const copyUrl = await testDatabase('stalled_copy');
    await migrate(copyUrl, 'urls', log);
    databases = [copyUrl, ...world.urls.map(({ url }) => url)].map((url) => databaseOf(url));
    admin = await createConnection({ uri: copyUrl, multipleStatements: true });
    await admin.query(`INSERT INTO slots SELECT * FROM ${databases[1]}.slots`);
    mapper = await world.start({
      log,
      cache: { maxBytes: 1, ttlMs: 60_000 },
      urlsReplicas: [{ server: 'urls-1', url: copyUrl }],
    });
    await until('all stores', async () => (await degraded()) === '[]');
    const made = await Promise.all(Array.from({ length: 40 }, async () => shortenOne()));
    keys = made.map((answer) => String(answer.json()['unique_id']));
  });

  beforeEach(() => {
    warnings.length = 0;
  });

  after(async function () {
    this.timeout(60_000);
    await world[Symbol.asyncDispose]();
    await admin.end();
  });

  async function degraded(): Promise<string> {
    return JSON.stringify((await send('GET', `${mapper.adminUrl}/readyz`)).json()['degraded']);
  }

  async function shortenOne(): Promise<Answer> {
    return shorten(mapper.url, { long_url: 'https://example.com/' });
  }

  async function follow(key: string): Promise<Answer> {
    return send('GET', `${mapper.url}/${key}`);
  }

  /** Blocks the loop while these requests wait for stores that answer in the meantime. */
  async function stallWith(requests: readonly Promise<Answer>[]): Promise<number[]> {
    await delay(HELD_MS / 2);
    block(STALL_MS);
    const statuses = (await Promise.all(requests)).map(({ status }) => status);
    expect(warnings).to.deep.equal([]);
    expect(await degraded()).to.equal('[]');
    return statuses;
  }

  it('opens no breaker of a urls server or a replica, and refuses neither redirects nor shortens', async () => {
    const tables = databases.map((database) => `${database}.urls WRITE`).join(', ');
    const held = admin.query(`LOCK TABLES ${tables}; DO SLEEP(${HELD_MS / 1_000}); UNLOCK TABLES`);
    await delay(50);
    const statuses = await stallWith([...keys.map(follow), ...keys.map(shortenOne)]);
    await held;
    expect(statuses).to.deep.equal([...keys.map(() => 302), ...keys.map(() => 201)]);
  });

  it('opens no breaker of a pool, and refuses no shorten that waits for a key', async () => {
    // More requests than the reserve has keys, so that most of them wait for a take.
    await world.redis[0]?.client.call('CLIENT', 'PAUSE', String(HELD_MS));
    const statuses = await stallWith(keys.map(shortenOne));
    expect(statuses).to.deep.equal(keys.map(() => 201));
  });
});
