import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { isLinkInsert, type FaultyProxy } from '../../drills/proxy/proxy.ts';
import { createRandom } from '../../runtime/random.ts';
import { AS_OPERATOR } from '../admin-token.ts';
import { until } from '../until.ts';
import { send, shorten, type Answer } from './client.ts';
import { viaProxy } from './faulty.ts';
import { createWorld, type TestMapper, type World } from './world.ts';

const FAULTS_FOR_MS = 6_000;
const CLIENTS = 12;

describe('two mappers under random faults', () => {
  let world: World;
  let mappers: TestMapper[];
  let proxies: { redis: FaultyProxy[]; urls: FaultyProxy[] };
  let acknowledged: Map<string, string>;
  let aliasWinners: Map<string, number>;
  let surprises: string[];
  let counts: Map<number, number>;

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 20_000 });
    const redis = await Promise.all(world.redis.map(viaProxy));
    const urls = await Promise.all(world.urls.map(viaProxy));
    proxies = { redis: redis.map(({ proxy }) => proxy), urls: urls.map(({ proxy }) => proxy) };
    const overrides = { stores: { redis, urlsDbs: urls }, cache: { maxBytes: 2 ** 20, ttlMs: 200 } };
    mappers = [await world.start(overrides), await world.start(overrides)];
    acknowledged = new Map();
    aliasWinners = new Map();
    surprises = [];
    counts = new Map();
  });

  after(async function () {
    this.timeout(60_000);
    const all = [...proxies.redis, ...proxies.urls];
    for (const proxy of all) proxy.heal();
    await world[Symbol.asyncDispose]();
    for (const proxy of all) await proxy.stop();
  });

  /** Sends one request of a client, and records an answer that no client may get. */
  async function step(random: () => number, client: number, number: number): Promise<void> {
    const { url } = mappers[random() < 0.5 ? 0 : 1] ?? { url: '' };
    const dice = random();
    const startedAt = performance.now();
    const answer =
      dice < 0.4
        ? await follow(url, random)
        : await create(url, dice > 0.85 ? random : undefined, client, number);
    if (answer === undefined) return;
    counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1);
    const ms = performance.now() - startedAt;
    if (ms > 12_000) surprises.push(`an answer after ${Math.round(ms)} ms`);
    if (![201, 302, 409, 503].includes(answer.status)) surprises.push(`${answer.status} ${answer.text}`);
    if (answer.status === 503 && answer.headers['retry-after'] === undefined)
      surprises.push('503 without Retry-After');
  }

  async function follow(url: string, random: () => number): Promise<Answer | undefined> {
    const known = [...acknowledged];
    const [key, target] = known[Math.floor(random() * known.length)] ?? [];
    if (key === undefined) return undefined;
    const answer = await send('GET', `${url}/${key}`);
    if (answer.status !== 503 && answer.headers.location !== target) {
      surprises.push(`${key} led to ${answer.headers.location} (${answer.status}), not to ${target}`);
    }
    return answer;
  }

  async function create(
    url: string,
    alias: (() => number) | undefined,
    client: number,
    number: number,
  ): Promise<Answer> {
    const long_url = `https://example.com/${client}/${number}`;
    const custom_alias = alias === undefined ? undefined : `alias-${Math.floor(alias() * 500)}`;
    const answer = await shorten(url, { long_url, custom_alias });
    if (answer.status !== 201) return answer;
    const key = String(answer.json()['unique_id']);
    if (acknowledged.has(key)) surprises.push(`${key} was acknowledged twice`);
    acknowledged.set(key, long_url);
    if (custom_alias !== undefined) aliasWinners.set(custom_alias, (aliasWinners.get(custom_alias) ?? 0) + 1);
    return answer;
  }

  async function breakThings(random: () => number): Promise<void> {
    const { redis, urls } = proxies;
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
    const until = performance.now() + FAULTS_FOR_MS;
    while (performance.now() < until) {
      const isRedis = random() < 0.5;
      const proxy = pick(isRedis ? redis : urls);
      const dice = random();
      if (dice < 0.25) proxy.cut();
      else if (dice < 0.5) proxy.cutBeforeReplyTo(isRedis ? () => true : isLinkInsert);
      else if (dice < 0.65) proxy.cutAfter(Math.floor(random() * 200));
      else if (dice < 0.8) proxy.delay(20 + random() * 100);
      else proxy.silence();
      await delay(50 + random() * 400);
      proxy.heal();
    }
  }

  it('lose no acknowledged link, and bind no key twice', async () => {
    const seed = Number(process.env['KEYMILL_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
    const random = createRandom(seed);
    const faults = new AbortController();
    const clients = Array.from({ length: CLIENTS }, async (_, client) => {
      const own = createRandom(seed + client + 1);
      for (let number = 0; !faults.signal.aborted; number += 1) await step(own, client, number);
    });
    await breakThings(random);
    faults.abort();
    await Promise.all(clients);
    const story = `seed ${seed}, ${acknowledged.size} acknowledged, ${JSON.stringify([...counts])}`;
    expect(surprises, story).to.deep.equal([]);
    expect(acknowledged.size, story).to.be.greaterThan(10);

    const rows = await world.rows([...acknowledged.keys()]);
    expect(rows, story).to.have.length(acknowledged.size);
    for (const { unique_id: key, original_url: target } of rows) {
      expect(target, `${key}: ${story}`).to.equal(acknowledged.get(key));
    }
    expect(
      [...aliasWinners.values()].filter((winners) => winners > 1),
      story,
    ).to.deep.equal([]);
    for (const mapper of mappers) {
      await until('recovery', async () => {
        const { degraded } = (await send('GET', `${mapper.adminUrl}/readyz`)).json();
        return JSON.stringify(degraded) === '[]';
      });
      for (const [key, target] of [...acknowledged].slice(0, 200)) {
        expect((await send('GET', `${mapper.url}/${key}`)).headers.location, story).to.equal(target);
      }
    }
  }).timeout(60_000);

  it('account for every key except those whose take was never answered', async () => {
    const held = await Promise.all(
      mappers.map(
        async ({ adminUrl }) =>
          (await send('GET', `${adminUrl}/reserve`, { headers: AS_OPERATOR })).json()['keys'] as string[],
      ),
    );
    const pooled = await Promise.all(
      world.redis.map(async ({ client }) => client.lrange('keys:available', 0, -1)),
    );
    const [inPools, inHands] = [pooled.flat(), held.flat()];
    expect(new Set([...inPools, ...inHands]).size).to.equal(inPools.length + inHands.length);
    const bound = await world.rows([...inPools, ...inHands]);
    expect(bound).to.deep.equal([]);
  });
});
