import { expect } from 'chai';
import { createKeyspace } from '../../db/keyspace/key.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import { openOwnLinksDb } from '../../db/own-links/own-links-db.ts';
import type { OwnedRow } from '../../db/own-links/owned-insert.ts';
import { openCacheDb } from '../../db/redis/cache.ts';
import { createLog } from '../../runtime/log.ts';
import type { LinkTarget } from '../../db/urls/link.ts';
import { LinkReads } from '../../mapper/urls/link-reads.ts';
import { Breaker } from '../../runtime/breaker.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { emptyUrlsDatabase, linkRow, OpenUrlsDbs, randomKey, withSql } from '../db/urls-fixture.ts';
import { startWire, through } from '../db/wire.ts';
import { testRedis } from '../servers.ts';
import { until } from '../until.ts';
import { send } from './client.ts';
import { newOwner, ownedRow } from './own-links-fixture.ts';
import { createWorld, type TestMapper, type World } from './world.ts';

/** That of {@link createWorld}. */
const KEYSPACE = createKeyspace({ length: 8, secret: 'a secret for tests', regionBits: 10 });
const QUIET = createLog('test', 'rules', 'silent');

/** How release 0.1.0 reads a link for a redirect. */
const SELECT_OF_0_1_0 =
  'SELECT IF(deleted_at IS NULL, original_url, NULL) AS target FROM urls WHERE slot = ? AND unique_id = ?';

describe('a link with rules among others', () => {
  it('does not let plain links wait for its rules', async () => {
    const dbs = new OpenUrlsDbs();
    const url = await emptyUrlsDatabase();
    await using wire = await startWire(url);
    const rows = Array.from({ length: 4 }, () => linkRow(randomKey()));
    await dbs.open(url).insert(rows);
    const [first, second, plain, ruled] = rows.map(({ key }) => key);
    await withSql(url, async (sql) =>
      sql.execute(
        `UPDATE urls SET ruled_url = original_url, original_url = NULL, rules = '{"disabled":true}'
           WHERE unique_id = ?`,
        [ruled ?? ''],
      ),
    );
    const breaker = new Breaker({ failures: 2, coolDownMs: 100, maxCoolDownMs: 200, now: monotonicMs });
    const db = dbs.open(through(wire, url));
    const reads = new LinkReads({ db, breaker, timeoutMs: 5_000, maxQueued: 10, now: monotonicMs });
    const read = async (key: string | undefined, order: string[] = []): Promise<LinkTarget | undefined> =>
      new Promise((resolve, failed) => {
        const found = (target: LinkTarget | undefined): void => {
          order.push(key ?? '');
          resolve(target);
        };
        reads.begin({ key: key ?? '', askedAtMs: monotonicMs(), found, failed });
      });
    await read(first);
    // The answer with the rules does not come until the plain link is there.
    wire.cutBeforeReplyTo((sent) => {
      if (sent.includes('ruled_url')) wire.silence();
      return false;
    });
    const order: string[] = [];
    // The first two leave alone. The others gather, and share a SELECT.
    const all = Promise.all([first, second, plain, ruled, randomKey()].map(async (key) => read(key, order)));
    await until('the plain link', () => order.includes(plain ?? ''));
    expect(order).to.not.include(ruled);
    expect(order).to.have.length(4);
    wire.heal();
    const targets = await all;
    expect(targets.map((target) => target?.key)).to.deep.equal([first, second, plain, ruled, undefined]);
    expect(targets[3]).to.deep.include({ rules: { disabled: true } });
    await dbs.closeAll();
  });
});

describe('a link with rules', () => {
  let world: World;
  let fast: TestMapper;
  let slow: TestMapper;
  let shard: { name: string; url: string };

  before(async function () {
    this.timeout(60_000);
    world = await createWorld();
    const shards = await testRedis(1);
    shard = shards[0] as typeof shard;
    const cache = { maxBytes: 2 ** 22, ttlMs: 60_000, shards };
    fast = await world.start({ cache });
    slow = await world.start({ cache, hasFastPaths: false });
  });

  after(async function () {
    this.timeout(60_000);
    await world[Symbol.asyncDispose]();
  });

  async function make(fields: Partial<OwnedRow>): Promise<string> {
    const row = ownedRow(newOwner(), fields);
    const server = world.urls.find(({ slots }) => slots.includes(row.slot));
    if (server === undefined) throw new Error('no server');
    const db = openOwnLinksDb(server);
    await db.insert([row]);
    await db.close();
    return row.key;
  }

  async function write(sql: string, key: string): Promise<void> {
    for (const server of world.urls) await server.sql.query(`${sql} WHERE unique_id = ?`, [key]);
  }

  /** Status and kind of problem, from both paths: read, then from memory. */
  async function answersOf(key: string): Promise<string[]> {
    const answers: string[] = [];
    for (const mapper of [fast, slow, fast, slow]) {
      const answer = await send('GET', `${mapper.url}/${key}`);
      const { type = '' } = answer.text === '' ? {} : (JSON.parse(answer.text) as { type?: string });
      answers.push(`${answer.status} ${type.split(':').at(-1)}`.trim());
    }
    return answers;
  }

  it('is 410 while it is disabled or blocked, and says which', async () => {
    const disabled = await make({ rules: { disabled: true } });
    const blocked = await make({ rules: { disabled: true, blocked: 'phishing' } });
    expect(new Set(await answersOf(disabled))).to.deep.equal(new Set(['410 link-disabled']));
    expect(new Set(await answersOf(blocked))).to.deep.equal(new Set(['410 link-blocked']));
    const { text } = await send('GET', `${fast.adminUrl}/metrics`);
    for (const result of ['disabled', 'blocked']) {
      expect(text).to.match(new RegExp(`redirects_total\\{result="${result}",source="db"\\} 1\\b`));
      expect(text).to.match(new RegExp(`redirects_total\\{result="${result}",source="memory"\\} 1\\b`));
    }
  });

  it('is 503 while a rule, or the whole kind of the row, is unknown, and that is not remembered', async () => {
    const newer = await make({});
    expect(new Set(await answersOf(newer))).to.deep.equal(new Set(['302']));
    const odd = await make({});
    await write('UPDATE urls SET original_url = NULL', odd);
    expect(new Set(await answersOf(odd))).to.deep.equal(new Set(['503 store-down']));
    const ruled = await make({ rules: { password: 'x' } });
    expect(new Set(await answersOf(ruled))).to.deep.equal(new Set(['503 store-down']));
    await write(`UPDATE urls SET rules = NULL, original_url = ruled_url`, ruled);
    expect(new Set(await answersOf(ruled))).to.deep.equal(new Set(['302']));
  });

  it('looks deleted to release 0.1.0, which therefore answers 410 and never follows it', async () => {
    const key = await make({ rules: { disabled: true } });
    const found: unknown[] = [];
    for (const { sql } of world.urls) {
      const [rows] = await sql.query(SELECT_OF_0_1_0, [slotOf(key), key]);
      found.push(rows);
    }
    expect(found.flat()).to.deep.equal([{ target: null }]);
  });

  it('is not taken for deleted when release 0.1.0 has put it into the shared cache', async () => {
    await using db = openCacheDb({ ...shard, keyspace: KEYSPACE, log: QUIET });
    await db.whenConnected(5_000);
    const key = await make({ rules: { disabled: true } });
    const { version } = await db.read(key);
    await db.fill(key, { version, value: '[null,null]', ttlMs: 60_000 });
    expect(new Set(await answersOf(key))).to.deep.equal(new Set(['410 link-disabled']));
    const buried = await make({});
    await write('UPDATE urls SET deleted_at = NOW(3)', buried);
    expect(new Set(await answersOf(buried))).to.deep.equal(new Set(['410 link-deleted']));
    expect((await db.read(buried)).value).to.equal('[null,null,"deleted"]');
  });

  it('is followed again when its rules are gone', async () => {
    const key = await make({ rules: { disabled: true } });
    const brief = await world.start({ cache: { maxBytes: 2 ** 22, ttlMs: 50 } });
    expect((await send('GET', `${brief.url}/${key}`)).status).to.equal(410);
    await write('UPDATE urls SET rules = NULL, original_url = ruled_url, ruled_url = NULL', key);
    await until('the redirect', async () => (await send('GET', `${brief.url}/${key}`)).status === 302);
  });
});
