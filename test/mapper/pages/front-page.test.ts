import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { request } from 'node:http';
import { expect } from 'chai';
import { expectProblem, send, shorten, type Answer } from '../client.ts';
import { People } from '../api/people.ts';
import { createWorld, NO_LIMITS, type TestMapper, type World } from '../world.ts';
import { placeOf, Visitor } from './visitor.ts';

const EVIL = `https://example.com/"><img src=x onerror=alert(1)>'\u202E`;
const POLICY =
  "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

describe('the front page', () => {
  let world: World;
  let mapper: TestMapper;
  let people: People;
  const visitor = new Visitor(() => mapper.url);

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 200, hasUsers: true, shards: 1, databases: 1 });
    mapper = await world.start({ following: { hasStylePage: true } });
    people = new People(world.usersUrl);
  });

  after(async function () {
    this.timeout(60_000);
    await people[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  /** The first row of an answer of the urls server. */
  async function ask<Row>(sql: string): Promise<Row> {
    const [urls] = world.urls as [World['urls'][number]];
    const [rows] = await urls.sql.query(sql);
    return (rows as Row[])[0] as Row;
  }

  it('is a page for browsers, and nothing for programs, as ever', async () => {
    const page = await visitor.get('/');
    expect(page.status).to.equal(200);
    expect(page.headers).to.include({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy': POLICY,
      'referrer-policy': 'strict-origin',
      'x-content-type-options': 'nosniff',
      vary: 'Accept',
    });
    expect(page.text).to.include('link shortener').and.include('href="/signup"');
    expectProblem(await send('GET', `${mapper.url}/`), 404);
    expectProblem(await send('POST', `${mapper.url}/`), 404);
    const ofPerson = await send('POST', `${mapper.url}/`, { headers: { accept: 'text/html' } });
    expect([ofPerson.status, ofPerson.headers.allow]).to.deep.equal([405, 'GET, HEAD']);
  });

  it('has no inline code, and loads nothing of others', async () => {
    for (const path of ['/', '/login', '/signup', '/docs/style']) {
      const { status, text } = await visitor.get(path);
      expect(status, path).to.equal(200);
      expect(text, path).not.to.match(/<script>|<style|\son[a-z]+=|style=|@import/);
      for (const [, address] of text.matchAll(/<(?:script|link|img)[^>]* (?:src|href)="([^"]*)"/g))
        expect(address).to.match(/^\/static\/[\w-]{16}\/[\w.]+$/);
    }
  });

  it('makes a link at once, and shows it with its target and a QR code', async () => {
    const place = placeOf(await visitor.post('/urls', { long_url: ' https://example.com/made ' }));
    const [, key = ''] = /^\/\?made=([\w-]+)$/.exec(place) ?? [];
    expect((await send('GET', `${mapper.url}/${key}`)).headers.location).to.equal('https://example.com/made');
    const page = await visitor.get(place);
    expect(page.status).to.equal(200);
    for (const part of [
      `value="${mapper.url}/${key}"`,
      'https://example.com/made',
      '<svg role="img"',
      'noindex',
    ])
      expect(page.text).to.include(part);
    expect(placeOf(await visitor.get('/?made=never-made'))).to.equal('/');
    expect(placeOf(await visitor.get(`/?made=${encodeURIComponent(EVIL)}`))).to.equal('/');
  });

  it('obeys the options, and says nothing of a target that only visitors with a password see', async () => {
    const fields = {
      custom_alias: 'poster',
      expires_in: '7',
      password: 'open sesame',
      max_visits: '',
      title: '',
    };
    const place = placeOf(await visitor.post('/urls', { long_url: 'https://example.com/hidden', ...fields }));
    expect(place).to.equal('/?made=poster');
    const page = await visitor.get(place);
    expect(page.text).to.include('only to those who follow it').and.not.include('example.com/hidden');
    const row = await ask<{ expires_at: Date }>(`SELECT expires_at FROM urls WHERE unique_id = 'poster'`);
    const days = (row.expires_at.getTime() - Date.now()) / 86_400_000;
    expect(days).to.be.within(6.9, 7.1);
  });

  it('shows what is wrong beside each field, with what was typed, except passwords', async () => {
    const long = 'not a web address "><b>\u202E';
    const fields = { long_url: long, custom_alias: 'a!', password: 'secret words', max_visits: 'many' };
    const page = await visitor.post('/urls', fields);
    expect(page.status).to.equal(422);
    expect(page.text)
      .to.include('value="not a web address &quot;&gt;&lt;b&gt;\u202E"')
      .and.include('value="a!"');
    for (const name of ['long_url', 'custom_alias', 'max_visits']) {
      expect(page.text).to.include(`href="#field-${name}"`).and.include(`id="fault-${name}"`);
      expect(page.text).to.match(
        new RegExp(`id="field-${name}"[^>]* aria-invalid="true"[^>]*fault-${name}"`),
      );
    }
    expect(page.text).to.include('role="alert"').and.not.include('secret words').and.not.include('<b>');
    expect(page.text).to.include('<details open>');
    await visitor.post('/urls', { long_url: 'https://example.com/', custom_alias: 'taken-one' });
    const taken = await visitor.post('/urls', {
      long_url: 'https://example.com/',
      custom_alias: 'taken-one',
    });
    expect([taken.status, taken.text.includes('taken')]).to.deep.equal([409, true]);
  });

  it('is filled in by a bookmark, and shows the bookmark; the address is text', async () => {
    const page = await visitor.get(`/?url=${encodeURIComponent(EVIL)}`);
    expect(page.text).to.include(
      'value="https://example.com/&quot;&gt;&lt;img src=x onerror=alert(1)&gt;&#39;',
    );
    expect(page.text).not.to.include('<img');
    expect(page.text).to.include(
      `href="javascript:location.href=&#39;${mapper.url}/?url=&#39;+encodeURIComponent(location.href)"`,
    );
  });

  it('makes links of somebody who is signed in his own', async () => {
    const cookie = await people.session(await people.person());
    const ana = new Visitor(() => mapper.url, cookie);
    expect((await ana.get('/')).text)
      .to.include('href="/settings"')
      .and.not.include('href="/login"');
    const fields = { long_url: 'https://example.com/own', title: '<i>Own</i>', tags: 'one, two,' };
    const [, key = ''] = /made=(.+)/.exec(placeOf(await ana.post('/urls', fields))) ?? [];
    const link = await send('GET', `${mapper.url}/urls/${key}`, { headers: { cookie } });
    expect(link.json()).to.include({ title: '<i>Own</i>', long_url: 'https://example.com/own' });
    expect(link.json()['tags']).to.deep.equal(['one', 'two']);
  });

  it('is no page where the operator has another site, and KEYMILL_ROOT_URL leads there', async () => {
    const other = await world.start({ following: { rootUrl: 'https://example.com/start' } });
    const there = new Visitor(() => other.url, await people.session(await people.person()));
    const root = await there.get('/');
    expect([root.status, root.headers.location]).to.deep.equal([302, 'https://example.com/start']);
    const made = await there.post('/urls', { long_url: 'https://example.com/' });
    expect(placeOf(made)).to.match(/^\/urls\/[\w-]+$/);
    await other.stop();
  });

  it('counts new links and guesses of keys as the API does', async () => {
    const perMinute = { ...NO_LIMITS.perMinute, anonymous: 2, 'not-found': 2 };
    const strict = await world.start({ limits: { ...NO_LIMITS, perMinute, loopback: true } });
    const client = new Visitor(() => strict.url);
    const statuses = [];
    for (let count = 0; count < 3; count += 1)
      statuses.push(await client.post('/urls', { long_url: 'https://example.com/typed' }));
    expect(statuses.map(({ status }) => status)).to.deep.equal([303, 303, 429]);
    expect(statuses[2]?.headers).to.include.keys('retry-after', 'ratelimit');
    expect(statuses[2]?.text).to.include('value="https://example.com/typed"');
    const guesses = [];
    for (let count = 0; count < 3; count += 1) guesses.push((await client.get('/?made=never-made')).status);
    expect(guesses).to.deep.equal([303, 303, 429]);
    await strict.stop();
  });

  describe('and its form', () => {
    const fields = { long_url: 'https://example.com/' };
    const refused: readonly (readonly [what: string, headers: Record<string, string>, status: number])[] = [
      ['another site', { origin: 'https://evil.example' }, 403],
      ['a page without an origin', { origin: 'null' }, 403],
      ['a sibling site', { 'sec-fetch-site': 'same-site' }, 403],
      ['another site by its other header', { origin: '', 'sec-fetch-site': 'cross-site' }, 403],
      ['a program', { accept: '*/*' }, 415],
      ['nobody knows whom', { origin: '' }, 415],
      ['a form with files', { 'content-type': 'multipart/form-data; boundary=x' }, 415],
      ['plain text', { 'content-type': 'text/plain' }, 415],
    ];
    for (const [what, headers, status] of refused)
      it(`is refused from ${what}`, async () => {
        const before = await count();
        for (const path of ['/urls', '/login', '/signup', '/logout', '/settings']) {
          const answer = await visitor.post(path, fields, headers);
          expect(answer.status, path).to.be.oneOf(
            // The API says who is missing before what is wrong; a path without the API refuses nobody's form.
            status === 415 ? (path === '/logout' ? [401] : [415, 403]) : [status],
          );
        }
        expect(await count()).to.equal(before);
      });

    it('is accepted with either header of our own pages, also behind a proxy with https', async () => {
      const { host } = new URL(mapper.url);
      for (const headers of [
        { 'sec-fetch-site': 'same-origin' },
        { origin: '', 'sec-fetch-site': 'same-origin' },
        { origin: `https://${host}` },
      ])
        expect((await visitor.post('/urls', fields, headers)).status).to.equal(303);
    });

    it('is refused when it is too large, compressed or not UTF-8', async () => {
      expect((await visitor.post('/urls', `long_url=${'a'.repeat(70_000)}`)).status).to.equal(413);
      expect((await visitor.post('/urls', 'a=b', { 'content-encoding': 'gzip' })).status).to.equal(415);
      const type = 'application/x-www-form-urlencoded; charset=latin1';
      expect((await visitor.post('/urls', 'a=b', { 'content-type': type })).status).to.equal(415);
    });

    async function count(): Promise<number> {
      return (await ask<{ n: number }>('SELECT COUNT(*) AS n FROM urls')).n;
    }
  });

  describe('loads files', () => {
    it('that are compressed, kept for ever, and another address for other bytes', async () => {
      const { text } = await visitor.get('/');
      const paths = [...text.matchAll(/"(\/static\/[^"]+)"/g)].map(([, path = '']) => path);
      expect(paths).to.have.length(3);
      for (const path of paths) {
        const plain = await bytesOf(path, '');
        expect(plain.headers['cache-control']).to.equal('public, max-age=31536000, immutable');
        expect(plain.headers).to.include({ vary: 'Accept-Encoding', 'x-content-type-options': 'nosniff' });
        const brotli = await bytesOf(path, 'gzip, br');
        expect(brotli.headers['content-encoding']).to.equal('br');
        expect(brotliDecompressSync(brotli.bytes).equals(plain.bytes)).to.equal(true);
        const zipped = await bytesOf(path, 'br;q=0, gzip');
        expect(zipped.headers['content-encoding']).to.equal('gzip');
        expect(gunzipSync(zipped.bytes).equals(plain.bytes)).to.equal(true);
        const [, , , name] = path.split('/');
        const other = await bytesOf(`/static/0123456789abcdef/${name}`, '');
        expect(other.headers['cache-control']).to.equal('no-store');
        expect(other.bytes.equals(plain.bytes)).to.equal(true);
      }
      for (const path of ['/static/0123456789abcdef/__proto__', '/static/x/pages.css', '/static/a/b/c'])
        expect((await send('GET', mapper.url + path)).status, path).to.equal(404);
      expect((await send('POST', mapper.url + paths[0])).headers.allow).to.equal('GET, HEAD');
    });

    it('and is small: less than 40 KB with all of them', async () => {
      const page = await visitor.get('/');
      let bytes = page.text.length;
      for (const [, path = ''] of page.text.matchAll(/"(\/static\/[^"]+)"/g))
        bytes += (await bytesOf(path, 'br')).bytes.length;
      expect(bytes).to.be.below(20_000);
    });

    async function bytesOf(
      path: string,
      coding: string,
    ): Promise<{ headers: Answer['headers']; bytes: Buffer }> {
      const { promise, resolve, reject } = Promise.withResolvers<{
        headers: Answer['headers'];
        bytes: Buffer;
      }>();
      request(mapper.url + path, { headers: { 'accept-encoding': coding } }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () => resolve({ headers: answer.headers, bytes: Buffer.concat(chunks) }));
      })
        .on('error', reject)
        .end();
      return promise;
    }
  });

  it('leaves POST /urls to programs as it is', async () => {
    const made = await shorten(mapper.url, { long_url: 'https://example.com/json' }, { accept: 'text/html' });
    expect([made.status, made.json()['long_url']]).to.deep.equal([201, 'https://example.com/json']);
  });

  it('stands beside pages for visitors that are smaller than 15 KB', async () => {
    await shorten(mapper.url, {
      long_url: 'https://example.com/',
      custom_alias: 'locked',
      password: 'a secret',
    });
    for (const path of ['/never-made', '/locked', '/locked+', '/users/reset?token=a']) {
      const { text } = await visitor.get(path);
      expect(text, path).to.include('</html>');
      expect(text.length, path).to.be.below(8_000);
    }
  });
});
