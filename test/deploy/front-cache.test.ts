import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { REFRESH_HEADER } from '../../mapper/images/front-caches.ts';
import { imagePathsOf } from '../../mapper/images/image-paths.ts';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';
import { until } from '../until.ts';
import { startFrontCache, type FrontCacheServer } from './front-cache-server.ts';
import { PicturesOrigin } from './pictures-origin.ts';

const TOKEN = 'a-token-of-a-test_0123456789';

describe('the front cache', () => {
  let origin: PicturesOrigin;
  let cache: FrontCacheServer;

  beforeEach(async () => {
    origin = await PicturesOrigin.start();
    cache = await startFrontCache(origin.address, TOKEN);
  });

  afterEach(async () => {
    await cache[Symbol.asyncDispose]();
    await origin[Symbol.asyncDispose]();
  });

  async function ask(path: string, init: RequestInit = {}) {
    const answer = await fetch(`${cache.url}${path}`, init);
    const body = await answer.text();
    return { status: answer.status, from: answer.headers.get('x-cache'), headers: answer.headers, body };
  }

  const refresh = async (path: string, token = TOKEN) =>
    ask(path, { method: 'HEAD', headers: { [REFRESH_HEADER]: token } });

  it('keeps a picture, whoever asks and under whatever other arguments', async () => {
    expect(await ask('/images/Kxx')).to.deep.include({ status: 200, from: 'MISS', body: '0123456789' });
    for (const path of ['/images/Kxx', '/images/Kxx?utm=1', '/%69mages/Kxx', '/images/Kxx?a=b&c'])
      expect(
        await ask(path, { headers: { Cookie: 'a=b', Origin: 'http://a.example' } }),
        path,
      ).to.deep.include({
        status: 200,
        from: 'HIT',
        body: '0123456789',
      });
    expect(origin.urlsAsked()).to.deep.equal(['GET /images/Kxx']);
    expect((await ask('/images/Kxx')).headers.get('x-request-id')).to.equal(null);
  });

  it('keeps each size and each extension by itself, and passes on what it does not know', async () => {
    for (const path of ['/images/Kxx?size=160', '/images/Kxx?a=1&size=160', '/images/Kxx.png', '/images/Kxx'])
      expect((await ask(path)).status, path).to.equal(200);
    const passed = ['/images/Kxx?size=161', '/images/Kxx?size=160&size=320', '/images/Kxx?s%69ze=160'];
    for (const path of [...passed, '/images/Kxx.svg', '/images/Kxx/', '/images/Kxx%0a'])
      expect((await ask(path)).from, path).to.equal(null);
    expect(origin.urlsAsked()).to.deep.equal([
      'GET /images/Kxx?size=160',
      'GET /images/Kxx.png',
      'GET /images/Kxx',
      ...passed.map((path) => `GET ${path}`),
      'GET /images/Kxx.svg',
      'GET /images/Kxx/',
      'GET /images/Kxx%0a',
    ]);
  });

  it('tells nothing about a client to what is behind it, but its address', async () => {
    await ask('/images/Kxx', {
      headers: { Authorization: 'Bearer x', Cookie: 'a=b', [REFRESH_HEADER]: 'guessed', Range: 'bytes=0-1' },
    });
    const [asked] = origin.asked;
    expect(asked?.headers).to.not.have.any.keys(
      'authorization',
      'cookie',
      'range',
      REFRESH_HEADER.toLowerCase(),
    );
    expect(asked?.headers['x-forwarded-for']).to.equal('127.0.0.1');
  });

  it('passes everything else through as it is', async () => {
    const posted = await ask('/urls?a=%2F', {
      method: 'POST',
      body: 'x',
      headers: { Authorization: 'Bearer x' },
    });
    expect(posted.body).to.equal('passed POST /urls?a=%2F');
    expect(origin.asked[0]?.headers.authorization).to.equal('Bearer x');
    expect((await ask('/a//b%20c')).body).to.equal('passed GET /a//b%20c');
    await ask('/images/Kxx?utm=1', { method: 'DELETE', headers: { Authorization: 'Bearer y' } });
    expect(origin.asked.at(-1)).to.deep.include({ method: 'DELETE', url: '/images/Kxx?utm=1' });
    expect(origin.asked.at(-1)?.headers.authorization).to.equal('Bearer y');
  });

  it('answers ranges and conditions of what it keeps, also when it has to fetch it first', async () => {
    const ranged = await ask('/images/Kxx', { headers: { Range: 'bytes=2-4' } });
    expect(ranged).to.deep.include({ status: 206, from: 'MISS', body: '234' });
    expect(ranged.headers.get('content-range')).to.equal('bytes 2-4/10');
    expect(await ask('/images/Kxx', { headers: { Range: 'bytes=-3' } })).to.deep.include({
      status: 206,
      from: 'HIT',
      body: '789',
    });
    expect((await ask('/images/Kxx', { headers: { Range: 'bytes=10-' } })).status).to.equal(416);
    expect((await ask('/images/Kxx', { headers: { 'If-None-Match': '"a"' } })).status).to.equal(304);
    const changed = await ask('/images/Kxx', { headers: { Range: 'bytes=2-4', 'If-Range': '"b"' } });
    expect(changed).to.deep.include({ status: 200, body: '0123456789' });
    expect(await ask('/images/Kxx', { method: 'HEAD' })).to.deep.include({ status: 200, body: '' });
    expect(origin.urlsAsked()).to.deep.equal(['GET /images/Kxx']);
  });

  it('fetches a picture once for all who wait for it', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    origin.hold = promise;
    const waiting = Array.from({ length: 20 }, async () => ask('/images/Kxx'));
    await until('the fetch', () => origin.asked.length > 0);
    resolve();
    for (const { body } of await Promise.all(waiting)) expect(body).to.equal('0123456789');
    expect(origin.urlsAsked()).to.deep.equal(['GET /images/Kxx']);
  });

  it('asks again with the ETag when max-age is over, and shows nothing stale', async () => {
    origin.maxAgeS = 1;
    await ask('/images/Kxx');
    const again = await until('its end', async () => {
      const answer = await ask('/images/Kxx');
      return answer.from === 'HIT' ? undefined : answer;
    });
    expect(again).to.deep.include({ status: 200, from: 'REVALIDATED' });
    expect(origin.asked.at(-1)?.headers['if-none-match']).to.equal('"a"');
    await origin[Symbol.asyncDispose]();
    const late = await until('its next end', async () => {
      const answer = await ask('/images/Kxx');
      return answer.status === 200 ? undefined : answer;
    });
    expect(late.status).to.equal(503);
    expect(JSON.parse(late.body)).to.include({ status: 503 });
    expect(late.headers.get('cache-control')).to.equal('no-store');
    origin = await PicturesOrigin.start();
  });

  it('keeps no answer but a picture', async () => {
    origin.gone.add('/images/Kxx');
    for (let time = 0; time < 2; time++) expect((await ask('/images/Kxx')).status).to.equal(410);
    expect(origin.asked).to.have.length(2);
  });

  it('shows the 410 once a refresh has fetched it, and goes on showing it', async () => {
    await ask('/images/Kxx');
    origin.gone.add('/images/Kxx');
    expect(await ask('/images/Kxx')).to.deep.include({ status: 200, from: 'HIT' });
    expect(await refresh('/images/Kxx')).to.deep.include({ status: 410, from: 'BYPASS' });
    const ofPart = async () => ask('/images/Kxx', { headers: { Range: 'bytes=0-1' } });
    // A refresh asks with HEAD: nginx answers when it has the head, and keeps the answer when it has all.
    await until('all of the refresh', async () => (await ofPart()).status === 410);
    const shown = Date.now() + 2_500;
    while (Date.now() < shown) expect(await ofPart()).to.include({ status: 410 });
    // Deleted is for ever, but a link that was blocked may be shown again.
    origin.gone.clear();
    expect(await ask('/images/Kxx')).to.include({ status: 200 });
  });

  it('refreshes only for who knows the token', async () => {
    await ask('/images/Kxx');
    origin.gone.add('/images/Kxx');
    for (const token of ['', 'wrong', TOKEN.slice(0, -1), `${TOKEN}x`, '1', '0'])
      expect(await refresh('/images/Kxx', token), token).to.include({ status: 200, from: 'HIT' });
  });

  it('keeps what it has when a refresh finds nobody behind it', async () => {
    await ask('/images/Kxx');
    await origin[Symbol.asyncDispose]();
    expect(await refresh('/images/Kxx')).to.include({ status: 503 });
    expect(await ask('/images/Kxx')).to.include({ status: 200, from: 'HIT' });
    origin = await PicturesOrigin.start();
  });

  it('knows every path that a mapper refreshes', async () => {
    for (const path of imagePathsOf('Kxx', 'jpeg')) {
      expect(await ask(path), path).to.include({ from: 'MISS' });
      expect(await ask(path), path).to.include({ from: 'HIT' });
    }
    expect(imagePathsOf('Kxx', 'jpeg')).to.have.length(15);
  });

  it('has the token neither in its environment nor in the list of processes', () => {
    const { pid } = cache.server;
    for (const file of ['cmdline', 'environ'])
      expect(readFileSync(join('/proc', String(pid), file), 'utf8'), file).to.not.include(TOKEN);
    expect(readFileSync(join(REPOSITORY, 'deploy/front-cache/nginx.conf'), 'utf8')).to.include(
      'use_stale off',
    );
  });
});
