import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { DIMENSIONS } from '../../../db/clicks/dimensions.ts';
import { Sketch } from '../../../db/clicks/sketch.ts';
import { withinOneDay } from '../../one-day.ts';
import { until } from '../../until.ts';
import { send, shorten } from '../client.ts';
import { makeLink } from '../following/ruled-links.ts';
import { createWorld, NO_LIMITS, type TestMapper, type World } from '../world.ts';
import { makeMmdb } from './mmdb.ts';

const CHROME =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.6478.127 Safari/537.36';
const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1';
const GOOGLEBOT = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)';

type Headers = Readonly<Record<string, string>>;

/** The clicks of a link, as they are stored. */
interface Stored {
  readonly humans: number;
  readonly bots: number;
  /** `dimension value`: humans, bots. */
  readonly values: Readonly<Record<string, readonly [number, number]>>;
  readonly visitors: number;
}

describe('the clicks that are counted', () => {
  withinOneDay();
  let world: World;
  let dir: string;
  const mappers: { name: string; mapper: TestMapper }[] = [];

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ shards: 1, databases: 1, keys: 200, hasUsers: true });
    const limits = { ...NO_LIMITS, trustedProxies: ['127.0.0.1'] };
    dir = mkdtempSync(join(tmpdir(), 'keymill-clicks-'));
    const countryFile = join(dir, 'countries.mmdb');
    writeFileSync(countryFile, makeMmdb({ '203.0.113.0/24': { country_code: 'SE' } }));
    const shared = { limits, following: { countryHeader: 'CF-IPCountry', countryFile } };
    mappers.push({ name: 'fast paths', mapper: await world.start(shared) });
    mappers.push({ name: 'Koa', mapper: await world.start({ ...shared, hasFastPaths: false }) });
  });

  after(async function () {
    this.timeout(60_000);
    rmSync(dir, { recursive: true });
    await world[Symbol.asyncDispose]();
  });

  async function rows(sql: string, key: string): Promise<Record<string, unknown>[]> {
    const [found] = (await world.urls[0]?.sql.query(sql, [key])) ?? [[]];
    return found as Record<string, unknown>[];
  }

  async function stored(key: string): Promise<Stored> {
    const [sums] = await rows(
      'SELECT CAST(COALESCE(SUM(humans), 0) AS SIGNED) AS humans, CAST(COALESCE(SUM(bots), 0) AS SIGNED) AS bots FROM click_hours WHERE unique_id = ?',
      key,
    );
    const values = await rows(
      'SELECT dimension, value, humans, bots FROM click_values WHERE unique_id = ?',
      key,
    );
    const sketches = await rows('SELECT sketch FROM click_visitors WHERE unique_id = ?', key);
    const merged = new Sketch();
    for (const { sketch } of sketches) merged.merge(Sketch.fromBytes(sketch as Buffer));
    const names = Object.entries(DIMENSIONS);
    return {
      humans: Number(sums?.['humans']),
      bots: Number(sums?.['bots']),
      values: Object.fromEntries(
        values.map(({ dimension, value, humans, bots }) => [
          `${names.find(([, number]) => number === dimension)?.[0]} ${String(value)}`,
          [Number(humans), Number(bots)] as const,
        ]),
      ),
      visitors: merged.estimate(),
    };
  }

  /** Follows a new link with each of the headers, and reads what is stored. */
  async function followed(mapper: TestMapper, requests: readonly Headers[]): Promise<Stored> {
    const made = await shorten(mapper.url, { long_url: 'https://example.com/' });
    const key = String(made.json()['unique_id']);
    for (const headers of requests)
      expect((await send('GET', `${mapper.url}/${key}`, { headers })).status).to.equal(302);
    let last = await stored(key);
    const isStored = async (): Promise<boolean> => {
      last = await stored(key);
      return last.humans + last.bots === requests.length;
    };
    await until(`${requests.length} clicks`, isStored);
    return last;
  }

  async function onBoth(requests: readonly Headers[], expected: Stored): Promise<void> {
    for (const { name, mapper } of mappers)
      expect(await followed(mapper, requests), name).to.deep.equal(expected);
  }

  it('have what their headers say: referrer, country, language, browser, system and device', async () => {
    const headers = {
      'User-Agent': CHROME,
      Referer: 'https://News.Example:8443/a/path?q=secret',
      'Accept-Language': 'de-AT,de;q=0.9,en;q=0.8',
      'CF-IPCountry': 'at',
      'X-Forwarded-For': '192.0.2.1',
    };
    await onBoth([headers, headers, { ...headers, 'X-Forwarded-For': '192.0.2.2' }], {
      humans: 3,
      bots: 0,
      values: {
        'referrer news.example': [3, 0],
        'country AT': [3, 0],
        'language de': [3, 0],
        'browser Chrome': [3, 0],
        'os Linux': [3, 0],
        'device desktop': [3, 0],
      },
      visitors: 2,
    });
  });

  it('are those of programs too, apart, and programs are no visitors', async () => {
    await onBoth([{ 'User-Agent': GOOGLEBOT }, { 'User-Agent': IPHONE }, {}], {
      humans: 1,
      bots: 2,
      values: {
        'browser Googlebot': [0, 1],
        'browser Safari': [1, 0],
        'os iOS': [1, 0],
        'device bot': [0, 1],
        'device mobile': [1, 0],
      },
      visitors: 1,
    });
  });

  it('have no dimension of which the headers say nonsense, and are counted all the same', async () => {
    const names = ['\u00FC', 'A'.repeat(300), '<b>x</b>', ' ', '(other)', '\u00A0x'];
    const requests = names.map((name) => ({
      'User-Agent': `${name}/1.0 (Linux) x/1 x`,
      'Accept-Language': 'x',
    }));
    const odd = ['\u00FC/1.0 x', `${'A'.repeat(300)}/1 x`, 'x y/1 z'].map((text) => ({
      'User-Agent': text,
      'Accept-Language': 'x-klingon, i-default, english;q=0.9, de;q=0.1',
      Referer: 'https://\u00FC.example/',
    }));
    for (const { name, mapper } of mappers) {
      const { humans, bots, values } = await followed(mapper, [...requests, ...odd]);
      expect(humans + bots, name).to.equal(9);
      const languages = Object.entries(values).filter(([value]) => value.startsWith('language '));
      expect(languages, name).to.deep.equal([['language de', [3, 0]]]);
      for (const value of Object.keys(values)) expect(value, name).to.match(/^[ -~]{1,80}$/);
      expect(values['browser x y'], name).to.deep.equal([1, 0]);
    }
  });

  it('have no dimensions and no visitor where the visitor does not want to be tracked', async () => {
    const headers = { 'User-Agent': CHROME, Referer: 'https://news.example/' };
    await onBoth(
      [
        { ...headers, DNT: '1' },
        { ...headers, 'Sec-GPC': '1' },
        { 'User-Agent': GOOGLEBOT, DNT: '1' },
      ],
      {
        humans: 2,
        bots: 1,
        values: {},
        visitors: 0,
      },
    );
  });

  it('have the country of their address where no proxy says it, as links with targets by country have', async () => {
    const headers = { 'User-Agent': CHROME, 'X-Forwarded-For': '203.0.113.9' };
    const key = await makeLink(world, {
      rules: { targets: [{ when: { country: ['SE'] }, longUrl: 'https://example.com/se' }] },
    });
    for (const { name, mapper } of mappers) {
      const { values } = await followed(mapper, [headers]);
      expect(values['country SE'], name).to.deep.equal([1, 0]);
      const answer = await send('GET', `${mapper.url}/${key}`, { headers });
      expect(answer.headers.location, name).to.equal('https://example.com/se');
    }
  });

  it('have one visitor who is seen by two mappers', async () => {
    const [one, other] = mappers;
    if (one === undefined || other === undefined) throw new Error('two mappers are needed');
    const made = await shorten(one.mapper.url, { long_url: 'https://example.com/' });
    const key = String(made.json()['unique_id']);
    for (const { mapper } of [one, other])
      for (const address of ['192.0.2.1', '2001:db8::1', '2001:db8::2']) {
        const headers = { 'User-Agent': CHROME, 'X-Forwarded-For': address };
        expect((await send('GET', `${mapper.url}/${key}`, { headers })).status).to.equal(302);
      }
    await until('six clicks', async () => (await stored(key)).humans === 6);
    // What is behind the first 64 bits of an IPv6 address changes often.
    expect((await stored(key)).visitors).to.equal(2);
  });

  it('are all those of people, and nothing else is known of them, where the setting says total', async () => {
    const mapper = await world.start({ clicks: { counted: 'total', flushMs: 50 } });
    expect(await followed(mapper, [{ 'User-Agent': GOOGLEBOT }, { 'User-Agent': CHROME }])).to.deep.equal({
      humans: 2,
      bots: 0,
      values: {},
      visitors: 0,
    });
  });
});
