import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { isLinkInsert } from '../../drills/proxy/proxy.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import { until } from '../until.ts';
import { send, shorten, type Answer } from './client.ts';
import { Asked, viaProxy } from './faulty.ts';
import { createWorld, randomKeys, type TestMapper, type World } from './world.ts';

type Faulty<T> = T & Awaited<ReturnType<typeof viaProxy>>;

/** The limit for "immediately": far above the time on an idle machine, far below any deadline in the code. */
const AT_ONCE_MS = 300;

describe('a mapper in an outage', () => {
  let world: World;
  let redis: Faulty<World['redis'][number]>[];
  let urls: Faulty<World['urls'][number]>[];
  let mapper: TestMapper;

  beforeEach(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 200 });
    redis = await Promise.all(world.redis.map(viaProxy));
    urls = await Promise.all(world.urls.map(viaProxy));
    mapper = await world.start({ stores: { redis, urlsDbs: urls } });
  });

  afterEach(async function () {
    this.timeout(20_000);
    for (const { proxy } of [...redis, ...urls]) proxy.heal();
    await world[Symbol.asyncDispose]();
    for (const { proxy } of [...redis, ...urls]) await proxy.stop();
  });

  let targets = 0;
  async function shortenOne(fields: Record<string, unknown> = {}): Promise<Answer> {
    return shorten(mapper.url, { long_url: `https://example.com/${(targets += 1)}`, ...fields });
  }

  async function follow(key: string): Promise<Answer> {
    return send('GET', `${mapper.url}/${key}`);
  }

  async function timed<T>(work: () => Promise<T>): Promise<{ result: T; ms: number }> {
    const startedAt = performance.now();
    const result = await work();
    return { result, ms: performance.now() - startedAt };
  }

  /** An alias whose slot is on the given urls server. */
  function aliasOn(index: number): string {
    const found = randomKeys(1_000).find((key) => urls[index]?.slots.includes(slotOf(key)));
    if (found === undefined) throw new Error('no such alias');
    return found;
  }

  function proxyOf(store: { proxy: Awaited<ReturnType<typeof viaProxy>>['proxy'] } | undefined) {
    if (store === undefined) throw new Error('no such store');
    return store.proxy;
  }

  async function degraded(): Promise<unknown> {
    return (await send('GET', `${mapper.adminUrl}/readyz`)).json()['degraded'];
  }

  async function emptyPools(): Promise<void> {
    for (const { client } of redis) await client.del('keys:available');
    await until('the end of the reserve', async () => (await shortenOne()).status === 503);
  }

  /** An acknowledged link redirects to its target and is in the tables exactly once. */
  async function expectBoundOnce(answers: readonly Answer[]): Promise<void> {
    const links = answers.map((answer) => answer.json());
    const keys = links.map((link) => String(link['unique_id']));
    expect(new Set(keys).size).to.equal(keys.length);
    const rows = await world.rows(keys);
    expect(rows).to.have.length(keys.length);
    const targetOf = new Map(rows.map((row) => [row.unique_id, row.original_url]));
    for (const link of links) expect(targetOf.get(String(link['unique_id']))).to.equal(link['long_url']);
  }

  describe('of the pools', () => {
    it('answers 503 immediately when they are empty, still redirects, and shortens when keys are back', async () => {
      const link = (await shortenOne()).json();
      await emptyPools();
      const { result, ms } = await timed(shortenOne);
      expect(result.status).to.equal(503);
      expect(result.headers['retry-after']).to.match(/^[1-9]\d*$/);
      expect(result.headers['content-type']).to.equal('application/problem+json');
      expect(ms).to.be.lessThan(AT_ONCE_MS);
      expect((await follow(String(link['unique_id']))).status).to.equal(302);
      expect((await shortenOne({ custom_alias: 'needs-no-pool' })).status).to.equal(201);
      await world.fill(1, 10);
      expect((await shortenOne()).status).to.equal(201);
    });

    it('answers 503 immediately when every Redis is down, and still redirects', async () => {
      const link = (await shortenOne()).json();
      for (const { proxy } of redis) await proxy.stop();
      await until('the end of the reserve', async () => (await shortenOne()).status === 503);
      const { result, ms } = await timed(shortenOne);
      expect(result.status).to.equal(503);
      expect(ms).to.be.lessThan(AT_ONCE_MS);
      expect((await follow(String(link['unique_id']))).status).to.equal(302);
      expect((await send('GET', `${mapper.adminUrl}/readyz`)).status).to.equal(200);
      expect(await degraded()).to.deep.equal(['redis-1', 'redis-2']);
      expect((await shortenOne({ custom_alias: 'without-redis' })).status).to.equal(201);
    });

    it('shortens without a gap while one Redis hangs, and uses it again afterwards', async () => {
      proxyOf(redis[0]).silence();
      const slowest: number[] = [];
      for (let request = 0; request < 60; request += 1) {
        const { result, ms } = await timed(shortenOne);
        expect(result.status).to.equal(201);
        slowest.push(ms);
      }
      expect(Math.max(...slowest)).to.be.lessThan(1_500);
      await until('its name', async () => JSON.stringify(await degraded()) === '["redis-1"]');
      proxyOf(redis[0]).heal();
      await until('recovery', async () => JSON.stringify(await degraded()) === '[]');
    });

    it('binds no key twice when a Redis is full of bound keys, and counts them', async () => {
      const answers = await Promise.all(Array.from({ length: 120 }, async () => shortenOne()));
      const boundKeys = answers.map((answer) => String(answer.json()['unique_id']));
      for (const { client } of redis) {
        await client.del('keys:available');
        await client.rpush('keys:available', ...boundKeys);
      }
      await world.fill(0, 60);
      const more = await Promise.all(Array.from({ length: 60 }, async () => shortenOne()));
      const created = more.filter(({ status }) => status === 201);
      expect(created.length).to.be.greaterThan(50);
      await expectBoundOnce([...answers, ...created]);
      const { text } = await send('GET', `${mapper.adminUrl}/metrics`);
      expect(Number(/keymill_key_duplicates_total (\d+)/.exec(text)?.[1])).to.be.at.least(120);
    });
  });

  describe('of a urls server', () => {
    for (const [how, fail] of [
      ['is down', async () => proxyOf(urls[0]).stop()],
      ['hangs', async () => proxyOf(urls[0]).silence()],
    ] as const) {
      it(`fails fast for its slots and serves the others when it ${how}`, async () => {
        const [known, unseen, other] = [aliasOn(0), aliasOn(0), aliasOn(1)];
        for (const custom_alias of [known, unseen, other]) await shortenOne({ custom_alias });
        // The announcement of the alias may arrive after its answer, and empties the place in memory.
        let times = 0;
        await until(
          'the link to be followed for a while',
          async () => (await follow(known)).status === 302 && ++times > 5,
          { everyMs: 50 },
        );
        await fail();
        await until('the breaker', async () => JSON.stringify(await degraded()) === '["urls-1"]');
        const answers = await Promise.all(Array.from({ length: 40 }, async () => shortenOne()));
        expect(answers.map(({ status }) => status)).to.deep.equal(Array.from({ length: 40 }, () => 201));
        for (const answer of answers)
          expect(urls[1]?.slots).to.include(slotOf(String(answer.json()['unique_id'])));
        const alias = await timed(async () => shortenOne({ custom_alias: aliasOn(0) }));
        expect(alias.result.status).to.equal(503);
        expect(alias.result.headers['retry-after']).to.match(/^\d+$/);
        expect(alias.ms).to.be.lessThan(AT_ONCE_MS);
        expect((await shortenOne({ custom_alias: aliasOn(1) })).status).to.equal(201);
        expect((await follow(known)).status).to.equal(302);
        expect((await follow(other)).status).to.equal(302);
        const cold = await timed(async () => follow(unseen));
        expect(cold.result.status).to.equal(503);
        expect(cold.ms).to.be.lessThan(AT_ONCE_MS);
        expect((await send('GET', `${mapper.adminUrl}/readyz`)).status).to.equal(200);
      });
    }

    it('refuses within a second, from the first moment, a redirect that only a hung server could answer', async () => {
      const aliases = Array.from({ length: 30 }, () => aliasOn(0));
      for (const custom_alias of aliases) await shortenOne({ custom_alias });
      // A memory that keeps nothing: every redirect must ask.
      const forgetful = await world.start({
        stores: { redis, urlsDbs: urls },
        cache: { maxBytes: 1, ttlMs: 1 },
      });
      expect((await send('GET', `${forgetful.url}/${aliases[0]}`)).status).to.equal(302);
      proxyOf(urls[0]).silence();
      const answers = await Promise.all(
        aliases.map(async (alias, index) => {
          await delay(50 * index);
          return timed(async () => send('GET', `${forgetful.url}/${alias}`));
        }),
      );
      expect(answers.map(({ result }) => result.status)).to.deep.equal(aliases.map(() => 503));
      expect(Math.max(...answers.map(({ ms }) => ms))).to.be.lessThan(1_000);
    }).timeout(10_000);

    it('uses the server again when it is back', async () => {
      const alias = aliasOn(0);
      await shortenOne({ custom_alias: alias });
      proxyOf(urls[0]).silence();
      await until('the breaker', async () => JSON.stringify(await degraded()) === '["urls-1"]');
      proxyOf(urls[0]).heal();
      await until('recovery', async () => JSON.stringify(await degraded()) === '[]');
      expect((await follow(alias)).status).to.equal(302);
      expect((await shortenOne({ custom_alias: aliasOn(0) })).status).to.equal(201);
    });

    it('never returns the keys of its slots to a pool, and counts them', async () => {
      await proxyOf(urls[0]).stop();
      await until('the breaker', async () => JSON.stringify(await degraded()) === '["urls-1"]');
      for (let request = 0; request < 40; request += 1) expect((await shortenOne()).status).to.equal(201);
      const { text } = await send('GET', `${mapper.adminUrl}/metrics`);
      expect(
        Number(/keymill_keys_dropped_total\{reason="slot_down"\} (\d+)/.exec(text)?.[1]),
      ).to.be.greaterThan(0);
    });

    it('serves a cached link beyond its time to live while the server cannot confirm it', async () => {
      const forgetful = await world.start({
        stores: { redis, urlsDbs: urls },
        cache: { maxBytes: 2 ** 20, ttlMs: 50 },
      });
      const alias = aliasOn(0);
      await shorten(forgetful.url, { long_url: 'https://example.com/', custom_alias: alias });
      const followed = async (): Promise<number> => (await send('GET', `${forgetful.url}/${alias}`)).status;
      // The announcement of the alias may arrive after its answer, and empties the place in memory.
      let times = 0;
      await until(
        'the link to be followed for a while',
        async () => (await followed()) === 302 && ++times > 5,
        {
          everyMs: 50,
        },
      );
      await proxyOf(urls[0]).stop();
      await until('the breaker', async () => JSON.stringify(await degraded()) === '["urls-1"]');
      for (let request = 0; request < 20; request += 1) expect(await followed()).to.equal(302);
    });

    it('does not use a server that has lost its tables, until they are back', async () => {
      const { sql } = world.urls[0] ?? {};
      await sql?.query('RENAME TABLE urls TO urls_elsewhere');
      await until('the verdict', async () => JSON.stringify(await degraded()) === '["urls-1"]');
      const answers = await Promise.all(Array.from({ length: 20 }, async () => shortenOne()));
      expect(new Set(answers.map(({ status }) => status))).to.deep.equal(new Set([201]));
      expect((await follow(aliasOn(0))).status).to.equal(503);
      await sql?.query('RENAME TABLE urls_elsewhere TO urls');
      await until('recovery', async () => JSON.stringify(await degraded()) === '[]');
      expect((await shortenOne({ custom_alias: aliasOn(0) })).status).to.equal(201);
    });

    it('answers 503 and wastes no keys when all servers are down', async () => {
      for (const { proxy } of urls) await proxy.stop();
      await until('the breakers', async () => JSON.stringify(await degraded()) === '["urls-1","urls-2"]');
      const { result, ms } = await timed(async () =>
        Promise.all(Array.from({ length: 50 }, async () => shortenOne())),
      );
      expect(result.map(({ status }) => status)).to.deep.equal(Array.from({ length: 50 }, () => 503));
      expect(ms).to.be.lessThan(1_000);
      expect((await send('GET', `${mapper.adminUrl}/readyz`)).status).to.equal(503);
      const left = await Promise.all(redis.map(async ({ client }) => client.llen('keys:available')));
      expect((left[0] ?? 0) + (left[1] ?? 0)).to.be.greaterThan(380);
    });

    it('answers 503, not 404, to an unknown key while the primary is down, because its link may exist', async () => {
      const asked = new Asked(urls.map(({ proxy }) => proxy));
      // A new mapper asks the servers for such a text until it knows that they have no codes of others.
      await until('the mapper to know that this is no key', async () => {
        const times = await asked.countOf('not.a.key', async () =>
          expect((await follow('not.a.key')).status).to.equal(404),
        );
        return times === 0;
      });
      for (const { proxy } of urls) await proxy.stop();
      await until('the breakers', async () => JSON.stringify(await degraded()) === '["urls-1","urls-2"]');
      expect((await follow('abcdefgh')).status).to.equal(503);
      expect((await follow('not.a.key')).status).to.equal(404);
    });
  });

  describe('in the middle of an INSERT', () => {
    it('acknowledges once, and only stored links, when the answer is lost after commit', async () => {
      const cuts = new Set<string>();
      for (const { name, proxy } of urls) {
        proxy.cutBeforeReplyTo((sent) => isLinkInsert(sent) && cuts.add(name).has(name));
      }
      const answers = await Promise.all(Array.from({ length: 60 }, async () => shortenOne()));
      expect(answers.map(({ status }) => status)).to.deep.equal(Array.from({ length: 60 }, () => 201));
      await expectBoundOnce(answers);
      expect([...cuts].toSorted()).to.deep.equal(['urls-1', 'urls-2']);
    });

    it('recognises an alias as its own when the answer to its INSERT was lost', async () => {
      const alias = aliasOn(0);
      proxyOf(urls[0]).cutBeforeReplyTo(isLinkInsert);
      const answer = await shortenOne({ custom_alias: alias });
      expect(answer.status).to.equal(201);
      await expectBoundOnce([answer]);
      expect((await shortenOne({ custom_alias: alias })).status).to.equal(409);
    });

    it('answers in bounded time, and never acknowledges a link that is not stored, when a server hangs under load', async () => {
      const load = new AbortController();
      const answers: Answer[] = [];
      const clients = Array.from({ length: 16 }, async () => {
        while (!load.signal.aborted) {
          const { result, ms } = await timed(shortenOne);
          expect(ms).to.be.lessThan(6_000);
          answers.push(result);
        }
      });
      await world.fill(0, 20_000);
      await until('some load', () => answers.length > 100);
      proxyOf(urls[0]).silence();
      await until('the breaker', async () => JSON.stringify(await degraded()) === '["urls-1"]');
      const before = answers.length;
      await until('shortens on the other server', () => answers.length > before + 100);
      proxyOf(urls[0]).heal();
      await until('recovery', async () => JSON.stringify(await degraded()) === '[]');
      load.abort();
      await Promise.all(clients);
      const created = answers.filter(({ status }) => status === 201);
      const refusals = answers.filter(({ status }) => status !== 201).map(({ text }) => text);
      expect(refusals, refusals.join('\n')).to.have.length.below(answers.length / 20);
      await expectBoundOnce(created);
    }).timeout(30_000);
  });
});
