import type { ChildProcess } from 'node:child_process';
import { expect } from 'chai';
import { DEFAULT_IMAGES } from '../../../runtime/config/images.ts';
import { until } from '../../until.ts';
import { send } from '../client.ts';
import { randomPng } from '../images/pictures.ts';
import { useImages } from '../images/use-images.ts';
import { startMapperProcess } from '../mapper-process.ts';
import type { TestMapper } from '../world.ts';
import { askBytes } from './ask-bytes.ts';

const HTML = { accept: 'text/html' };

describe('images as people see them', () => {
  const images = useImages();
  const { api, makeImage } = images;
  let other: TestMapper;
  let cookie = '';
  const children: ChildProcess[] = [];

  before(async () => {
    other = await images.world.start(images.settings);
    cookie = await images.people.session(await images.people.person());
  });

  after(() => {
    for (const child of children) child.kill('SIGKILL');
  });

  const page = async (key: string, headers: Record<string, string> = HTML, method = 'GET') =>
    send(method, `${images.mapper.url}/${key}`, { headers });

  async function patch(key: string, body: object): Promise<void> {
    const answer = await api.call('PATCH', `/urls/${key}`, { cookie, body });
    expect(answer.status, answer.text).to.equal(200);
  }

  /** Until the picture comes from memory of both mappers. */
  async function warm(key: string): Promise<void> {
    for (const { url } of [images.mapper, other])
      for (let i = 0; i < 3; i += 1) expect((await askBytes(`${url}/images/${key}`)).status).to.equal(200);
  }

  async function statuses(path: string): Promise<number[]> {
    const answers = await Promise.all(
      [images.mapper, other].map(async ({ url }) => askBytes(`${url}${path}`)),
    );
    return answers.map(({ status }) => status);
  }

  it('is 410 on all mappers at once when it is deleted, also where it is in memory', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { key } = await makeImage(cookie, randomPng({ width: 20 + round }));
      await warm(key);
      expect((await api.call('DELETE', `/images/${key}`, { cookie })).status).to.equal(204);
      expect(await statuses(`/images/${key}`)).to.deep.equal([410, 410]);
      expect(await statuses(`/images/${key}?size=160`)).to.deep.equal([410, 410]);
      expect(await statuses(`/${key}`)).to.deep.equal([410, 410]);
    }
  });

  it('is gone while its link is disabled or blocked, and can be reported', async () => {
    const { key } = await makeImage(cookie);
    await warm(key);
    await patch(key, { disabled: true });
    expect(await statuses(`/images/${key}`)).to.deep.equal([410, 410]);
    await patch(key, { disabled: false });
    expect(await statuses(`/images/${key}`)).to.deep.equal([200, 200]);
    const reported = await api.call('POST', `/urls/${key}/report`, { body: { reason: 'It is not mine.' } });
    expect(reported.status).to.equal(202);
    const admin = await images.people.session(await images.people.person({ isAdmin: true }));
    const blocked = await api.call('PATCH', `/admin/links/${key}`, {
      cookie: admin,
      body: { blocked: true, reason: 'Not his' },
    });
    expect(blocked.status, blocked.text).to.equal(200);
    expect(await statuses(`/images/${key}`)).to.deep.equal([410, 410]);
    expect(await statuses(`/${key}`)).to.deep.equal([410, 410]);
    expect((await askBytes(`${other.url}/images/${key}`)).bytes.toString()).to.include('link-blocked');
  });

  it('can be deleted as a link and restored, with its bytes', async () => {
    const { key } = await makeImage(cookie);
    await warm(key);
    await api.call('DELETE', `/urls/${key}`, { cookie });
    expect(await statuses(`/images/${key}`)).to.deep.equal([410, 410]);
    await api.call('POST', `/urls/${key}/restore`, { cookie });
    expect(await statuses(`/images/${key}`)).to.deep.equal([200, 200]);
  });

  it('has thumbnails, which are WebP and as large as the picture if that is smaller', async () => {
    const { key } = await makeImage(cookie, randomPng({ width: 400, height: 200 }));
    const sized = await Promise.all(
      [160, 320, 640].map(async (size) => askBytes(`${images.mapper.url}/images/${key}?size=${size}`)),
    );
    for (const { status, headers, bytes } of sized) {
      expect([status, headers['content-type']], bytes.toString('latin1', 0, 200)).to.deep.equal([
        200,
        'image/webp',
      ]);
      expect(bytes.toString('latin1', 8, 12)).to.equal('WEBP');
    }
    const twin = await askBytes(`${other.url}/images/${key}?size=320`);
    expect(twin.bytes.equals(sized[1]?.bytes ?? Buffer.alloc(0))).to.equal(true);
  });

  it('counts each delivery of the picture as a click, and nothing else', async () => {
    const { key } = await makeImage(cookie);
    const url = `${images.mapper.url}/images/${key}`;
    for (let i = 0; i < 7; i += 1) await askBytes(url, { 'user-agent': 'Mozilla/5.0 Firefox/140.0' });
    for (let i = 0; i < 3; i += 1) await askBytes(url, { range: 'bytes=0-3' });
    await askBytes(url, {}, 'HEAD');
    await askBytes(url, { 'if-none-match': '*' });
    await askBytes(url, { range: 'bytes=5-' });
    await askBytes(`${url}?size=160`);
    await page(key);
    const sum = async (): Promise<number> => {
      const link = (await api.call('GET', `/urls/${key}`, { cookie })).json();
      return (link['clicks'] as { total: number }).total;
    };
    await until('the clicks to be stored', async () => (await sum()) >= 10);
    // One more shows that those before were all.
    await askBytes(url);
    await until('the last click to be stored', async () => (await sum()) === 11);
  });

  it('never get the bytes of another one, while many are read and some clients leave', async function () {
    this.timeout(60_000);
    const made: { key: string; bytes: Buffer }[] = [];
    for (let i = 0; i < 12; i += 1) {
      const bytes = randomPng({ width: 300 + i, height: 300 });
      made.push({ bytes, ...(await makeImage(cookie, bytes)) });
    }
    // A mapper that has none of them in memory.
    const cold = await images.world.start({
      ...images.settings,
      images: { ...DEFAULT_IMAGES, cacheBytes: 0 },
    });
    const ask = async (i: number): Promise<void> => {
      const { key, bytes } = made[i % made.length] as (typeof made)[number];
      const url = `${cold.url}/images/${key}`;
      if (i % 5 === 0) {
        const response = await fetch(url);
        await response.body?.cancel();
        return;
      }
      expect((await askBytes(url)).bytes.equals(bytes), key).to.equal(true);
    };
    for (let round = 0; round < 5; round += 1)
      await Promise.all(Array.from({ length: 60 }, async (_, i) => ask(i + round)));
    await cold.stop();
  });

  describe('on their page', () => {
    it('are shown to everybody, with what messengers want to know', async () => {
      const { key } = await makeImage(cookie, randomPng({ width: 30, height: 20 }));
      await patch(key, { title: 'A red square' });
      for (const headers of [HTML, {}, { accept: 'application/json' }]) {
        const { status, headers: said, text } = await page(key, headers);
        expect(status).to.equal(200);
        expect(said).to.include({
          'content-type': 'text/html; charset=utf-8',
          'x-content-type-options': 'nosniff',
          'cache-control': 'no-store',
        });
        expect(said['content-security-policy']).to.match(
          /^default-src 'none'; img-src 'self'; style-src 'sha256-/,
        );
        expect(said).not.to.have.any.keys('location', 'vary', 'x-robots-tag');
        const { url } = images.mapper;
        for (const part of [
          '<title>A red square – Keymill</title>',
          `<img src="/images/${key}" width="30" height="20" alt="A red square"`,
          '<h1 dir="auto">A red square</h1>',
          '30 × 20 pixels, PNG, ',
          `<a href="/images/${key}">Open the original</a>`,
          `<meta property="og:image" content="${url}/images/${key}">`,
          '<meta property="og:image:type" content="image/png">',
          '<meta property="og:image:width" content="30">',
          '<meta property="og:image:height" content="20">',
          `<meta property="og:url" content="${url}/${key}">`,
          '<meta property="og:title" content="A red square">',
          '<meta name="twitter:card" content="summary_large_image">',
        ])
          expect(text).to.include(part);
        expect(text).not.to.match(/<script|https:\/\//);
        expect(text.length).to.be.below(6_000);
      }
      const head = await page(key, {}, 'HEAD');
      expect([head.status, head.text]).to.deep.equal([200, '']);
      expect(Number(head.headers['content-length'])).to.be.above(1_000);
    });

    it('have a title that is only text, and the new one after a change', async () => {
      const { key } = await makeImage(cookie);
      expect((await page(key)).text).to.include('Untitled picture');
      const title = `"><script>alert('1')</script>&amp; <img src=x onerror=alert(1)>`;
      await patch(key, { title });
      const { text } = await page(key);
      expect(text).not.to.match(/<script|<img src=x/);
      const escaped =
        '&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp; &lt;img src=x onerror=alert(1)&gt;';
      // Title, heading, alternative text, and two of the card.
      expect(text.split(escaped)).to.have.length(6);
      await patch(key, { title: null });
      expect((await page(key)).text).to.include('Untitled picture');
    });

    it('obey noindex, here and where the bytes are', async () => {
      const { key } = await makeImage(cookie);
      await patch(key, { noindex: true });
      const { headers, text } = await page(key);
      expect(headers['x-robots-tag']).to.equal('noindex');
      expect(text).to.include('<meta name="robots" content="noindex">');
      const bytes = await askBytes(`${images.mapper.url}/images/${key}`);
      expect(bytes.headers['x-robots-tag']).to.equal('noindex');
    });

    it('are said to be pictures by the preview, which shows their address as text', async () => {
      const { key } = await makeImage(cookie);
      const url = `${images.mapper.url}/images/${key}`;
      const { text, status } = await page(`${key}+`);
      expect(status).to.equal(200);
      expect(text).to.include(`shows a picture, which is at:`).and.to.include(`<code>${url}</code>`);
      expect(text).not.to.include('<img');
      const json = (await page(`${key}+`, {})).json();
      expect(json).to.include({ long_url: url, image_type: 'image/png' });
    });

    it('are open to search engines: robots.txt says nothing against them', async () => {
      const { text } = await send('GET', `${images.mapper.url}/robots.txt`);
      expect(text).to.include('Disallow: /urls/').and.not.to.include('/images');
    });
  });

  it('are 404 where there are no images', async () => {
    const { key } = await makeImage(cookie);
    const without = await images.world.start();
    for (const path of [`/images/${key}`, `/images/${key}?size=160`, `/${key}`]) {
      const { status, bytes } = await askBytes(`${without.url}${path}`);
      expect([status, bytes.toString()]).to.satisfy(
        ([code, text]: [number, string]) => code === 404 && text.includes('no-images'),
      );
    }
  });

  it('are counted exactly, and gone at once, in a mapper of several processes', async function () {
    this.timeout(60_000);
    const bytes = randomPng({ width: 300, height: 300 });
    const { key } = await makeImage(cookie, bytes);
    const mapper = await startMapperProcess(images.world, (child) => children.push(child), {
      KEYMILL_PROCESSES: '2',
      KEYMILL_BLOBS: `file:${images.folder}`,
      KEYMILL_USERS_DB: images.world.usersUrl,
      KEYMILL_CLICK_FLUSH_MS: '100',
    });
    const ask = async () => askBytes(`${mapper.url}/images/${key}`);
    const answers = await Promise.all(Array.from({ length: 60 }, ask));
    expect(answers.every((answer) => answer.status === 200 && answer.bytes.equals(bytes))).to.equal(true);
    const sum = async (): Promise<number> => {
      const link = (await api.call('GET', `/urls/${key}`, { cookie })).json();
      return (link['clicks'] as { total: number }).total;
    };
    await until('all clicks', async () => (await sum()) === 60);
    expect((await api.call('DELETE', `/images/${key}`, { cookie })).status).to.equal(204);
    const after = await Promise.all(Array.from({ length: 20 }, ask));
    expect(new Set(after.map(({ status }) => status))).to.deep.equal(new Set([410]));
    mapper.child.kill('SIGTERM');
    expect(await mapper.exited).to.equal(0);
  });
});
