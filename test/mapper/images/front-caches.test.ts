import { expect } from 'chai';
import { FrontCaches, type RefreshOutcome } from '../../../mapper/images/front-caches.ts';
import { createLog, type Log } from '../../../runtime/log.ts';
import { startFrontCache, type FrontCacheServer } from '../../deploy/front-cache-server.ts';
import { PicturesOrigin } from '../../deploy/pictures-origin.ts';
import { until } from '../../until.ts';

const TOKEN = 'a-token-of-a-test_0123456789';
const log = createLog('test', 'front-caches', 'silent');

describe('a refresh of the caches in front', () => {
  let origin: PicturesOrigin;
  let cache: FrontCacheServer;
  const outcomes: RefreshOutcome[] = [];

  beforeEach(async () => {
    origin = await PicturesOrigin.start();
    cache = await startFrontCache(origin.address, TOKEN);
    outcomes.length = 0;
  });

  afterEach(async () => {
    await cache[Symbol.asyncDispose]();
    await origin[Symbol.asyncDispose]();
  });

  function open(options: { maxAgeS?: number; settleMs?: number; token?: string; origins?: string[] } = {}) {
    return new FrontCaches({
      origins: [cache.url],
      token: TOKEN,
      maxAgeS: 300,
      log,
      isShown: async () => false,
      onOutcome: (outcome) => outcomes.push(outcome),
      ...options,
    });
  }

  const statusOf = async (path: string) => {
    const answer = await fetch(`${cache.url}${path}`);
    await answer.arrayBuffer();
    return answer.status;
  };

  const PATHS = ['/images/Kxx', '/images/Kxx.jpg', '/images/Kxx.jpeg'];

  async function fillAndDelete(): Promise<string[]> {
    const paths = PATHS.flatMap((path) => [path, `${path}?size=160`, `${path}?size=1024`]);
    for (const path of paths) expect(await statusOf(path)).to.equal(200);
    for (const path of PATHS) origin.gone.add(path);
    return paths;
  }

  it('takes the picture, its other names and its thumbnails out of the cache', async () => {
    await using caches = open();
    const paths = await fillAndDelete();
    caches.refresh('Kxx', 'jpeg');
    await until('the refresh', () => outcomes.length > 0);
    for (const path of paths) expect(await statusOf(path), path).to.equal(410);
    expect(outcomes).to.deep.equal(['refreshed']);
  });

  it('repeats what fails, until the cache says that the picture is gone', async () => {
    await using caches = open();
    for (const path of PATHS) expect(await statusOf(path)).to.equal(200);
    // A mapper that has not heard of the deletion still shows it.
    caches.refresh('Kxx', 'jpeg');
    const asked = origin.asked.length;
    await until('a second attempt', () => origin.asked.length > asked + 1);
    expect(outcomes).to.deep.equal([]);
    for (const path of PATHS) origin.gone.add(path);
    await until('the refresh', () => outcomes.length > 0);
    for (const path of PATHS) expect(await statusOf(path), path).to.equal(410);
    expect(outcomes).to.deep.equal(['refreshed']);
  });

  it('refreshes again what the cache was just fetching when the picture was deleted', async () => {
    await using caches = open({ settleMs: 200 });
    const { promise, resolve } = Promise.withResolvers<void>();
    origin.hold = promise;
    const late = statusOf('/images/Kxx');
    await until('the fetch', () => origin.asked.length > 0);
    for (const path of PATHS) origin.gone.add(path);
    caches.refresh('Kxx', 'jpeg');
    await until('the first refresh', () => outcomes.length > 0);
    resolve();
    expect(await late).to.equal(200);
    expect(await statusOf('/images/Kxx'), 'the fetch has put it there again').to.equal(200);
    await until('the second refresh', async () => (await statusOf('/images/Kxx')) === 410);
  });

  it('gives up and says so: a wrong token, a cache that is away, the end of the process', async () => {
    await fillAndDelete();
    const caches = open({ token: 'another-token-0123456789', origins: [cache.url, 'http://127.0.0.1:1'] });
    caches.refresh('Kxx', 'jpeg');
    await until('both waiting', () => caches.waiting === 2);
    await caches[Symbol.asyncDispose]();
    expect(outcomes).to.deep.equal(['given-up', 'given-up']);
    expect(caches.waiting).to.equal(0);
    caches.refresh('Kxx', 'jpeg');
    expect(outcomes).to.have.length(4);
  });

  it('holds at most 10,000 images for a cache, and says so of more', async () => {
    const caches = open({ origins: ['http://127.0.0.1:1'] });
    for (let image = 0; image < 10_005; image++) caches.refresh(`K${image}`, 'png');
    expect(caches.waiting).to.equal(10_000);
    expect(outcomes).to.deep.equal(Array.from({ length: 5 }, () => 'given-up'));
    await caches[Symbol.asyncDispose]();
    expect(outcomes).to.have.length(10_005);
  });
});

describe('a refresh of a cache', () => {
  it('is not repeated when the picture is shown again, and is no click', async () => {
    await using origin = await PicturesOrigin.start();
    const outcomes: RefreshOutcome[] = [];
    await using caches = new FrontCaches({
      origins: [`http://${origin.address}`],
      token: TOKEN,
      maxAgeS: 300,
      isShown: async () => true,
      log,
      onOutcome: (outcome) => outcomes.push(outcome),
    });
    caches.refresh('Kxx', 'jpeg');
    await until('the end', () => caches.waiting === 0);
    expect(outcomes).to.deep.equal([]);
    expect(origin.asked.map(({ headers }) => headers['sec-purpose'])).to.deep.equal(['prefetch']);
  });

  it('that fails for many images is told in one line', async () => {
    const lines: { readonly images: number }[] = [];
    const counted = { warn: (fields: { images: number }) => lines.push(fields) } as unknown as Log;
    const caches = new FrontCaches({
      origins: ['http://127.0.0.1:1'],
      token: TOKEN,
      maxAgeS: 300,
      isShown: async () => false,
      log: counted,
      onOutcome: () => undefined,
    });
    for (let image = 0; image < 100; image++) caches.refresh(`K${image}`, 'png');
    await caches[Symbol.asyncDispose]();
    expect(lines.map(({ images }) => images)).to.deep.equal([1, 99]);
  });
});
