import { expect } from 'chai';
import { createToken } from '../../../mapper/auth/secrets.ts';
import { expectProblem, send, type Answer } from '../client.ts';
import { createWorld, type TestMapper, type World } from '../world.ts';
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
    this.timeout(20_000);
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
    expect(addresses).to.have.length(4);
    for (const address of addresses) {
      expect(address).to.match(/^\/docs\//);
      const file = await get(address);
      expect([file.status, file.headers['x-content-type-options']], address).to.deep.equal([200, 'nosniff']);
      expect(file.text.length).to.be.above(100);
    }
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
    for (const { headers } of answers) {
      expect(headers).to.include.keys(...SECURITY);
      expect(headers['cache-control']).to.equal('no-store');
    }
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

    it('changes the password by a form, once, and says what is wrong until then', async () => {
      const { id, email } = await people.person();
      const { text: token, hash } = createToken();
      const now = new Date();
      await people.db.resets.create(hash, id, now, new Date(now.getTime() + 60_000));
      const page = await get(`/users/reset?token=${token}`);
      expect([page.status, page.headers['content-security-policy']]).to.deep.equal([
        200,
        "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
      ]);
      expect(page.text).to.include(`value="${token}"`).and.include('name="new"').and.include('method="post"');
      for (const [chosen, reason] of [
        ['short', 'at least 10'],
        ['qwertyuiop', 'tried first'],
      ] as const) {
        const again = await submit({ token, new: chosen });
        expect([again.status, again.text.includes(reason), again.text.includes(token)]).to.deep.equal([
          422,
          true,
          true,
        ]);
      }
      const done = await submit({ token, new: 'chosen with a form' });
      expect([done.status, done.text.includes('has changed')]).to.deep.equal([200, true]);
      expect((await submit({ token, new: 'chosen with a form' })).text).to.include('is used already');
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

    it('escapes what it repeats', async () => {
      const evil = `"><script>alert(1)</script>`;
      for (const answer of [
        await get(`/users/reset?token=${encodeURIComponent(evil)}`),
        await submit({ token: evil, new: PASSWORD }),
      ])
        expect(answer.text).to.include('&quot;&gt;&lt;script&gt;').and.not.include('<script>');
      expect((await get('/users/reset?token=a&token=b')).status).to.equal(200);
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
