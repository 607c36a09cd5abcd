import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { createUserId } from '../../../db/accounts/user-ids.ts';
import { createToken } from '../../../mapper/auth/secrets.ts';
import { expectProblem, send, type Answer } from '../client.ts';
import { createWorld, NO_LIMITS, type TestMapper, type World } from '../world.ts';
import { ApiDocument } from './document.ts';
import { ApiClient } from './api-client.ts';
import { PASSWORD, People } from './people.ts';

const SECURITY = [
  'content-security-policy',
  'x-content-type-options',
  'referrer-policy',
  'cross-origin-resource-policy',
];

describe('pages beside the API', () => {
  let world: World;
  let mapper: TestMapper;
  let people: People;

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 20, hasUsers: true });
    mapper = await world.start({ publicUrl: 'https://go.example' });
    people = new People(world.usersUrl);
  });

  after(async function () {
    this.timeout(60_000);
    await people[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  async function get(path: string, method = 'GET'): Promise<Answer> {
    return send(method, mapper.url + path);
  }

  it('/openapi.json is the document of this mapper', async () => {
    const answer = await get('/openapi.json');
    expect([answer.status, answer.headers['content-type']]).to.deep.equal([
      200,
      'application/json; charset=utf-8',
    ]);
    const document = JSON.parse(answer.text) as { servers: unknown };
    expect(document.servers).to.deep.equal([{ url: 'https://go.example' }]);
    expect(document).to.deep.equal(JSON.parse(JSON.stringify(new ApiDocument().document)));
    expect((await get('/openapi.json', 'DELETE')).headers.allow).to.equal('GET, HEAD');
  });

  it('/docs loads only files of this mapper, and has no inline code', async () => {
    const page = await get('/docs');
    expect(page.headers['content-security-policy']).to.match(/^default-src 'self'; img-src 'self' data:;/);
    expect(page.headers['content-security-policy']).not.to.include('unsafe');
    expect(page.text).not.to.match(/<script>|<style|\son[a-z]+=|style=/);
    const addresses = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address = '']) => address);
    for (const other of ['/', '/openapi.json'])
      expect(addresses.splice(addresses.indexOf(other), 1)).to.deep.equal([other]);
    expect(addresses).to.have.length(5);
    for (const address of addresses) {
      expect(address).to.match(/^\/docs\//);
      const file = await get(address);
      expect([file.status, file.headers['x-content-type-options']], address).to.deep.equal([200, 'nosniff']);
      expect(file.text.length).to.be.above(100);
    }
    const style = (await get('/docs/swagger-ui.css')).text;
    expect(style)
      .to.include('font-size:0.875rem')
      .and.not.match(/(?:font-size|line-height):[\d.]+px/);
    expect((await get('/docs/init.js')).text)
      .to.include('validatorUrl: null')
      .and.not.include('http');
    for (const path of [
      '/docs/',
      '/docs/package.json',
      '/docs/..%2fpackage.json',
      '/docs/__proto__',
      '/docs/%ZZ',
      '/docs/constructor',
    ])
      expect((await get(path)).status, path).to.be.oneOf([400, 404]);
  });

  it('the page and its files are sent once: a browser that has them gets 304', async () => {
    for (const path of [
      '/docs',
      '/openapi.json',
      '/docs/init.js',
      '/docs/page.css',
      '/docs/swagger-ui.css',
    ]) {
      const first = await get(path);
      const { etag = '', 'cache-control': cacheControl } = first.headers;
      expect(etag, path).to.match(/^"[\w-]{16}"$/);
      expect(cacheControl, path).to.match(/^no-cache$|^public, max-age=86400$/);
      for (const [named, status] of [
        [etag, 304],
        [`W/${etag}`, 304],
        ['"other"', 200],
      ] as const) {
        const again = await send('GET', mapper.url + path, { headers: { 'if-none-match': named } });
        expect([again.status, again.headers.etag], path).to.deep.equal([status, etag]);
        expect(again.text).to.equal(status === 304 ? '' : first.text);
        expect(again.headers).to.include.keys(...SECURITY);
      }
      const head = await get(path, 'HEAD');
      expect([head.status, head.headers.etag, head.text], path).to.deep.equal([200, etag, '']);
    }
  });

  it('an endpoint without parameters refuses any query', async () => {
    const { key } = await people.key(await people.person(), ['account']);
    const headers = { authorization: `Bearer ${key}` };
    for (const [query, status] of [
      ['', 200],
      ['?', 200],
      ['?&', 422],
      ['?a=b', 422],
    ] as const)
      expect((await send('GET', `${mapper.url}/users/me${query}`, { headers })).status).to.equal(status);
  });

  it('every answer of the API has the headers of security and no-store, problems too', async () => {
    const api = new ApiClient(() => mapper.url);
    const answers = [
      await api.call('GET', '/users/me'),
      await api.call('POST', '/users', { body: {} }),
      await api.call('PUT', '/users/me'),
      await api.call('POST', '/users', { body: { email: 'ana@example.com', password: PASSWORD } }),
      await get('/docs'),
      await get('/openapi.json'),
    ];
    expect(answers.map(({ status }) => status)).to.deep.equal([401, 422, 405, 201, 200, 200]);
    for (const { headers } of answers) expect(headers).to.include.keys(...SECURITY);
    for (const { headers } of answers.slice(0, 4)) expect(headers['cache-control']).to.equal('no-store');
    const link = await api.call('POST', '/urls', { body: { long_url: 'https://example.com/' } });
    expect(link.headers).not.to.have.any.keys(...SECURITY);
    expect((await get(`/${String(link.json()['unique_id'])}`)).headers).not.to.have.any.keys(...SECURITY);
  });

  describe('the page of a password link', () => {
    async function submit(fields: Record<string, string> | string, headers = {}): Promise<Answer> {
      return send('POST', `${mapper.url}/users/reset`, {
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body: typeof fields === 'string' ? fields : new URLSearchParams(fields).toString(),
      });
    }

    /** Its policy allows exactly the style that it has, and nothing else. */
    function expectOwnStyle({ text, headers }: Answer): void {
      const [, style = ''] = /<style>([^]*)<\/style>/.exec(text) ?? [];
      const hash = createHash('sha256').update(style).digest('base64');
      expect(headers['content-security-policy']).to.equal(
        `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`,
      );
      expect(text).not.to.match(/<script|<link|\son[a-z]+=|style=|url\(/);
    }

    it('changes the password by a form, once, and says what is wrong until then', async () => {
      const { id, email } = await people.person();
      const { text: token, hash } = createToken();
      const now = new Date();
      await people.db.resets.create(hash, id, now, new Date(now.getTime() + 60_000));
      const page = await get(`/users/reset?token=${token}`);
      expect(page.status).to.equal(200);
      expectOwnStyle(page);
      expect(page.text).to.include(`value="${token}"`).and.include('name="new"').and.include('method="post"');
      expect(page.text).to.include(`value="${email}"`);
      for (const [chosen, reason] of [
        ['short', 'at least 10'],
        ['qwertyuiop', 'tried first'],
      ] as const) {
        const again = await submit({ token, new: chosen });
        expect(again.status).to.equal(422);
        for (const part of [reason, token, email]) expect(again.text).to.include(part);
        expectOwnStyle(again);
      }
      const done = await submit({ token, new: 'chosen with a form' });
      expect(done.status).to.equal(200);
      for (const part of ['has changed', email]) expect(done.text).to.include(part);
      const used = await submit({ token, new: 'chosen with a form' });
      expect([used.status, used.text.includes('is used already')]).to.deep.equal([422, true]);
      const gone = await get(`/users/reset?token=${token}`);
      expect([gone.status, gone.text.includes('is used already')]).to.deep.equal([404, true]);
      const body = { email, password: 'chosen with a form' };
      expect((await new ApiClient(() => mapper.url).call('POST', '/login', { body })).status).to.equal(200);
    });

    it('hides its token from other pages, and lets its form say where it comes from', async () => {
      // With no-referrer, browsers send `Origin: null`; with same-origin, they send the token to us again.
      for (const { headers } of [
        await get('/users/reset?token=a'),
        await submit({ token: 'a', new: PASSWORD }),
        await get('/docs'),
        await get('/users/me'),
      ])
        expect(headers['referrer-policy']).to.equal('strict-origin');
    });

    it('says of a token that nobody was given that the link is not valid, and does not repeat it', async () => {
      const evil = `"><script>alert(1)</script>`;
      for (const answer of [
        await get(`/users/reset?token=${encodeURIComponent(evil)}`),
        await submit({ token: evil, new: PASSWORD }),
        await get(`/users/reset?token=${createToken().text}`),
        await get('/users/reset?token=a&token=b'),
        await get('/users/reset'),
      ]) {
        expect(answer.status).to.be.oneOf([404, 422]);
        expect(answer.text).to.include('This link is not valid').and.not.include('script');
        expect(answer.text).not.to.include('<form');
        expectOwnStyle(answer);
      }
    });

    it('escapes the address of the account', async () => {
      const createdAt = new Date();
      const id = createUserId(createdAt.getTime());
      const email = `"<b>'&@example.com`;
      const names = { firstName: null, middleName: null, lastName: null };
      await people.db.users.create({ id, email, password: '', isAdmin: false, createdAt, ...names });
      const { text: token, hash } = createToken();
      await people.db.resets.create(hash, id, createdAt, new Date(createdAt.getTime() + 60_000));
      const pages = [
        await get(`/users/reset?token=${token}`),
        await submit({ token, new: 'a new password' }),
      ];
      for (const { text } of pages)
        expect(text).to.include('&quot;&lt;b&gt;&#39;&amp;@example.com').and.not.include('<b>');
    });

    it('counts as a sign-in when it is opened, as the form does', async () => {
      const perMinute = { ...NO_LIMITS.perMinute, 'sign-in': 2 };
      const strict = await world.start({ limits: { ...NO_LIMITS, perMinute, loopback: true } });
      const path = `${strict.url}/users/reset?token=${createToken().text}`;
      const statuses = [];
      for (let count = 0; count < 3; count += 1) statuses.push((await send('GET', path)).status);
      expect(statuses).to.deep.equal([404, 404, 429]);
      await strict.stop();
    });

    it('refuses a form that is too large, garbled or ambiguous, and other types', async () => {
      const refused = [await submit('a'.repeat(70_000)), await submit('token=a&token=b')];
      expectProblem(refused[0] as Answer, 413);
      expectProblem(refused[1] as Answer, 422);
      for (const { headers } of refused) {
        expect(headers).to.include.keys(...SECURITY);
        expect(headers['cache-control']).to.equal('no-store');
      }
      expectProblem(await submit('token=a', { 'content-type': 'text/plain' }), 415);
      expect((await send('PUT', `${mapper.url}/users/reset`)).headers.allow).to.equal('GET, HEAD, POST');
    });
  });
});
