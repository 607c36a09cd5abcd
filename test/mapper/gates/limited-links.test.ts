import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { slotOf } from '../../../db/keyspace/placement.ts';
import { ranMs } from '../../ran-ms.ts';
import { until } from '../../until.ts';
import { send, type Answer } from '../client.ts';
import { viaProxy, type Proxied } from '../faulty.ts';
import { countEach, kindIn, storeLink } from '../visits/ruled-links.ts';
import { createWorld, type TestMapper, type World } from '../world.ts';

const TARGET = 'https://example.com/secret';

describe('a link that may be followed a limited number of times', function () {
  this.timeout(60_000);
  let world: World;
  let urls: (World['urls'][number] & Proxied)[];
  let fast: TestMapper;
  let mappers: readonly TestMapper[];

  before(async function () {
    this.timeout(60_000);
    world = await createWorld();
    urls = await Promise.all(world.urls.map(viaProxy));
    fast = await world.start({ stores: { urlsDbs: urls } });
    const slow = await world.start({ hasFastPaths: false, clicks: { counted: false, flushMs: 50 } });
    mappers = [fast, slow];
  });

  afterEach(() => {
    for (const { proxy } of urls) proxy.heal();
  });

  after(async function () {
    this.timeout(60_000);
    await world[Symbol.asyncDispose]();
    for (const { proxy } of urls) await proxy.stop();
  });

  async function make(maxVisits: number): Promise<string> {
    return storeLink(world, { longUrl: TARGET, rules: { maxVisits } });
  }

  /** Of the server that has the key. */
  function sqlOf(key: string): World['urls'][number]['sql'] {
    const server = world.urls.find(({ slots }) => slots.includes(slotOf(key)));
    if (server === undefined) throw new Error('no server');
    return server.sql;
  }

  /** Changes a link as the API does, but tells no mapper. */
  async function change(key: string, set: string): Promise<void> {
    await sqlOf(key).query(
      `UPDATE urls SET ${set}, version = version + 1, changed_by = ? WHERE unique_id = ?`,
      [randomBytes(16), key],
    );
  }

  async function leftOf(key: string): Promise<number> {
    const [rows] = await sqlOf(key).query('SELECT visits_left FROM urls WHERE unique_id = ?', [key]);
    return (rows as { visits_left: number }[])[0]?.visits_left ?? Number.NaN;
  }

  /** Status, and kind of problem or target. */
  function storyOf({ status, headers, text }: Answer): string {
    return `${status} ${headers.location ?? kindIn(text) ?? ''}`.trim();
  }

  async function follow(key: string, { url } = fast, headers: Record<string, string> = {}): Promise<string> {
    return storyOf(await send('GET', `${url}/${key}`, { headers }));
  }

  it('is followed so often over all mappers, whether clicks are counted or not, and is 410 then', async () => {
    const key = await make(4);
    const stories: string[] = [];
    for (let round = 0; round < 3; round += 1)
      for (const mapper of mappers) stories.push(await follow(key, mapper));
    expect(countEach(stories)).to.deep.equal({ [`302 ${TARGET}`]: 4, '410 link-used-up': 2 });
    expect(stories.slice(4)).to.deep.equal(['410 link-used-up', '410 link-used-up']);
    for (const { url } of mappers) {
      const page = await send('GET', `${url}/${key}`, { headers: { accept: 'text/html' } });
      expect([page.status, page.headers['cache-control']]).to.deep.equal([410, 'no-store']);
      expect(page.text).to.include('followed as often as it may be').and.not.include('secret');
    }
    const metrics = await (await fetch(`${fast.adminUrl}/metrics`)).text();
    expect(metrics).to.match(/visits_total\{result="given"\} 2\b/);
    expect(metrics).to.match(/redirects_total\{result="used-up",source="memory"\} 2\b/);
  });

  it('is kept by nobody', async () => {
    const key = await make(2);
    for (const { url } of mappers) {
      const { headers } = await send('GET', `${url}/${key}`);
      expect([headers.location, headers['cache-control']]).to.deep.equal([TARGET, 'no-store']);
    }
  });

  it('shows no target to those who only look, and they use up no visit', async () => {
    const key = await make(1);
    for (const mapper of mappers) {
      for (const [method, path, headers, status] of [
        ['HEAD', key, {}, 200],
        ['GET', key, { 'sec-purpose': 'prefetch;prerender' }, 503],
        ['GET', key, { purpose: 'prefetch' }, 503],
        ['GET', key, { 'user-agent': 'facebookexternalhit/1.1' }, 200],
        ['GET', key, { 'user-agent': 'Mozilla/5.0 (compatible; Discordbot/2.0)' }, 200],
        ['GET', `${key}+`, {}, 200],
        ['HEAD', `${key}+`, {}, 200],
      ] as const) {
        const answer = await send(method, `${mapper.url}/${path}`, { headers });
        expect(answer.status, JSON.stringify([method, path, headers])).to.equal(status);
        expect(answer.headers['cache-control']).to.equal('no-store');
        expect(JSON.stringify(answer.headers) + answer.text).not.to.include('secret');
      }
    }
    expect(await leftOf(key)).to.equal(1);
    expect(await follow(key)).to.equal(`302 ${TARGET}`);
  });

  it('is never followed by an older state that a mapper remembers', async () => {
    for (const mapper of mappers) {
      const key = await make(10);
      expect(await follow(key, mapper)).to.equal(`302 ${TARGET}`);
      await change(key, "ruled_url = 'https://example.com/second'");
      expect(await follow(key, mapper)).to.equal('302 https://example.com/second');
      await change(key, `rules = '{"maxVisits":10,"disabled":true}'`);
      expect(await follow(key, mapper)).to.equal('410 link-disabled');
      await change(key, `rules = '{"maxVisits":10}', expires_at = NOW() - INTERVAL 1 DAY`);
      // It is remembered as disabled. Whoever changes a link announces that.
      await forget(key);
      expect(await follow(key, mapper)).to.equal('410 link-expired');
      await change(key, 'expires_at = NULL');
      await forget(key);
      expect(await follow(key, mapper)).to.equal('302 https://example.com/second');
      await change(key, "original_url = 'https://example.com/plain', ruled_url = NULL, rules = NULL");
      expect(await follow(key, mapper)).to.equal('302 https://example.com/plain');
      expect(await leftOf(key)).to.equal(7);
      await forget(key);
      await change(
        key,
        `original_url = NULL, ruled_url = 'https://example.com/third', rules = '{"maxVisits":10}'`,
      );
      expect(await follow(key, mapper)).to.equal('302 https://example.com/third');
      await change(key, 'deleted_at = NOW(3)');
      expect(await follow(key, mapper)).to.equal('410 link-deleted');
    }
  });

  async function forget(key: string): Promise<void> {
    for (const { client } of world.redis) await client.publish('keymill:invalidate', key);
    await until('the message', async () => {
      // A second message would be behind the first.
      return (await world.redis[0]?.client.ping()) === 'PONG';
    });
  }

  it('leads to the target that was set while a visitor waited', async () => {
    for (const mapper of mappers) {
      const key = await make(3);
      expect(await follow(key, mapper)).to.equal(`302 ${TARGET}`);
      const sql = sqlOf(key);
      await sql.query('START TRANSACTION');
      await change(key, "ruled_url = 'https://example.com/later'");
      const waiting = follow(key, mapper);
      await until('the visitor to wait for the row', async () => {
        const [rows] = await sql.query(
          "SELECT COUNT(*) AS n FROM information_schema.processlist WHERE info LIKE 'UPDATE urls SET visits_left%'",
        );
        return (rows as { n: number }[])[0]?.n === 1;
      });
      await sql.query('COMMIT');
      expect(await waiting).to.equal('302 https://example.com/later');
      expect(await leftOf(key)).to.equal(1);
    }
  });

  it('is 503 when it is not known whether a visit was used up, and nobody is redirected', async () => {
    const key = await make(2);
    expect(await follow(key)).to.equal(`302 ${TARGET}`);
    for (const { proxy } of urls) proxy.cutBeforeReplyTo((sent) => sent.includes('SET visits_left'));
    const answer = await send('GET', `${fast.url}/${key}`);
    expect(storyOf(answer)).to.equal('503 visit-unknown');
    expect(answer.headers['retry-after']).to.equal('1');
    expect(await follow(key)).to.equal('410 link-used-up');
    const metrics = await (await fetch(`${fast.adminUrl}/metrics`)).text();
    expect(metrics).to.match(/visits_total\{result="unknown"\} 1\b/);
  });

  it('is 503 in time while its server does not answer, although it is in memory', async () => {
    const key = await make(10);
    expect(await follow(key)).to.equal(`302 ${TARGET}`);
    for (const { proxy } of urls) proxy.silence();
    const startedMs = ranMs();
    const stories = await Promise.all(Array.from({ length: 20 }, async () => follow(key)));
    expect(ranMs() - startedMs).to.be.below(6_000);
    for (const story of stories) expect(story).to.be.oneOf(['503 visit-unknown', '503 store-down']);
    expect(await follow(key)).to.equal('503 store-down');
    for (const { proxy } of urls) proxy.heal();
    await until('the link', async () => (await follow(key)) === `302 ${TARGET}`);
    expect(await leftOf(key)).to.be.within(7, 8);
  });
});
