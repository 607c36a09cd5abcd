import { expect } from 'chai';
import { DEFAULT_IMAGES } from '../../../runtime/config/images.ts';
import { startFrontCache, type FrontCacheServer } from '../../deploy/front-cache-server.ts';
import { until } from '../../until.ts';
import { ApiClient } from '../api/api-client.ts';
import type { TestMapper } from '../world.ts';
import { useImages } from './use-images.ts';

const TOKEN = 'a-token-of-a-test_0123456789';
/** Of the mapper that refreshes. The other one has the default. */
const MAX_AGE_S = 1;

describe('an image that goes, on all mappers and in the cache in front of them', function () {
  this.timeout(60_000);
  const images = useImages();
  let cache: FrontCacheServer;
  /** It refreshes the cache, which asks the other one. */
  let refreshing: TestMapper;
  let api: ApiClient;
  let cookie = '';

  before(async function () {
    this.timeout(60_000);
    cache = await startFrontCache(new URL(images.mapper.url).host, TOKEN);
    refreshing = await images.world.start({
      ...images.settings,
      images: { ...DEFAULT_IMAGES, maxAgeS: MAX_AGE_S, frontCaches: [cache.url], frontCacheToken: TOKEN },
    });
    api = new ApiClient(() => refreshing.url);
    cookie = await images.people.session(await images.people.person());
  });

  after(async () => cache[Symbol.asyncDispose]());

  async function see(origin: string, path: string, headers: Record<string, string> = {}) {
    const answer = await fetch(`${origin}${path}`, { headers });
    const bytes = Buffer.from(await answer.arrayBuffer());
    return { status: answer.status, from: answer.headers.get('x-cache'), bytes };
  }

  const PATHS = (key: string): string[] => [
    `/images/${key}`,
    `/images/${key}.png`,
    `/images/${key}?size=160`,
    `/images/${key}.png?size=320`,
  ];

  /** Makes an image that the cache has under all its paths. */
  async function cached(): Promise<{ key: string; token: string }> {
    const made = await images.makeImage(cookie);
    for (const path of PATHS(made.key)) {
      const first = await see(cache.url, path);
      expect(first, path).to.include({ status: 200, from: 'MISS' });
      const again = await see(cache.url, path);
      expect(again, path).to.include({ status: 200, from: 'HIT' });
      expect(again.bytes.equals((await see(images.mapper.url, path)).bytes), path).to.equal(true);
    }
    return made;
  }

  /** @returns milliseconds until the cache shows none of its paths */
  async function untilGone(key: string): Promise<number> {
    const startedMs = performance.now();
    await until('the refresh', async () => {
      const seen = await Promise.all(PATHS(key).map(async (path) => see(cache.url, path)));
      return seen.every(({ status }) => status === 410);
    });
    return performance.now() - startedMs;
  }

  it('is 410 on all mappers after the answer to its deletion, and in the cache within its refresh', async () => {
    const took: number[] = [];
    for (let round = 0; round < 5; round++) {
      const { key, token } = await cached();
      const answer = await api.call('DELETE', `/images/${key}`, { headers: { 'x-delete-token': token } });
      expect(answer.status, answer.text).to.equal(204);
      const afterMs = performance.now();
      const gone = untilGone(key);
      for (const { url } of [images.mapper, refreshing])
        for (const path of PATHS(key)) expect((await see(url, path)).status, `${url} ${path}`).to.equal(410);
      await gone;
      took.push(performance.now() - afterMs);
    }
    const measured = took.map((ms) => ms.toFixed(0)).join(', ');
    process.stdout.write(`      410 in the cache ${measured} ms after the answer\n`);
    expect(Math.max(...took)).to.be.below(5_000);
  });

  for (const [what, change] of [
    ['deleted as a link', async (key: string) => api.call('DELETE', `/urls/${key}`, { cookie })],
    [
      'switched off',
      async (key: string) => api.call('PATCH', `/urls/${key}`, { cookie, body: { disabled: true } }),
    ],
  ] as const)
    it(`leaves the cache when it is ${what}, and comes back with the link`, async () => {
      const { key } = await cached();
      const answer = await change(key);
      expect(answer.status, answer.text).to.be.within(200, 204);
      await untilGone(key);
      const back =
        what === 'switched off'
          ? await api.call('PATCH', `/urls/${key}`, { cookie, body: { disabled: false } })
          : await api.call('POST', `/urls/${key}/restore`, { cookie });
      expect(back.status, back.text).to.be.within(200, 204);
      await until('it is shown again', async () => (await see(cache.url, `/images/${key}`)).status === 200);
    });

  it('keeps its place in the cache when something else about it changes', async () => {
    const { key } = await cached();
    const answer = await api.call('PATCH', `/urls/${key}`, { cookie, body: { title: 'new' } });
    expect(answer.status, answer.text).to.equal(200);
    expect(await see(cache.url, `/images/${key}`)).to.include({ status: 200, from: 'HIT' });
  });

  it('is kept from search engines when its max-age is over, also while people ask for it', async () => {
    await using brief = await startFrontCache(new URL(refreshing.url).host, TOKEN);
    const { key } = await images.makeImage(cookie);
    const askedAs = async (): Promise<string | null> =>
      (await fetch(`${brief.url}/images/${key}`)).headers.get('x-robots-tag');
    expect(await askedAs()).to.equal(null);
    await api.call('PATCH', `/urls/${key}`, { cookie, body: { noindex: true } });
    await until('the header', async () => (await askedAs()) === 'noindex');
    await api.call('PATCH', `/urls/${key}`, { cookie, body: { noindex: false } });
    await until('its end', async () => (await askedAs()) === null);
  });

  it('answers ranges and conditions in the cache as a mapper does', async () => {
    const { key } = await cached();
    const whole = await see(cache.url, `/images/${key}`);
    const etag = (await fetch(`${images.mapper.url}/images/${key}`)).headers.get('etag') ?? '';
    for (const headers of [
      { Range: 'bytes=0-9' },
      { Range: 'bytes=-5' },
      { Range: `bytes=${whole.bytes.length}-` },
      { 'If-None-Match': etag },
      { 'If-None-Match': '"other"' },
      { Range: 'bytes=0-9', 'If-Range': etag },
      { Range: 'bytes=0-9', 'If-Range': '"other"' },
    ] as Record<string, string>[]) {
      const [there, here] = await Promise.all(
        [images.mapper.url, cache.url].map(async (origin) => see(origin, `/images/${key}`, headers)),
      );
      expect(here?.status, JSON.stringify(headers)).to.equal(there?.status);
      if (here?.status === 200 || here?.status === 206)
        expect(there?.bytes.equals(here.bytes), JSON.stringify(headers)).to.equal(true);
    }
  });

  it('lets through what is no picture: pages, the API, problems', async () => {
    const { key } = await images.makeImage(cookie);
    expect((await see(cache.url, `/${key}`, { Accept: 'text/html' })).bytes.toString()).to.include(
      '<!doctype',
    );
    expect((await see(cache.url, '/images/nothing0')).status).to.equal(404);
    expect((await see(cache.url, `/images/${key}.jpg`)).status).to.equal(404);
    const posted = await images.post(
      { bytes: Buffer.from('no picture'), cookie },
      new ApiClient(() => cache.url),
    );
    expect(posted.status).to.equal(415);
  });
});
