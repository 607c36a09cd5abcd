import { expect } from 'chai';
import { send, type Answer } from '../client.ts';
import { createWorld, NO_LIMITS, type TestMapper, type World } from '../world.ts';

const APP = 'https://app.example';
const BODY = { headers: { 'content-type': 'application/json' }, body: '{"long_url":"https://example.com/"}' };

/** What the Fetch standard lets every page read. */
const READABLE = ['cache-control', 'content-language', 'content-length', 'content-type', 'expires', 'pragma'];
/** What is said to browsers and proxies, and nothing to programs. */
const FOR_BROWSERS = [
  'accept',
  'access-control-allow-origin',
  'access-control-expose-headers',
  'connection',
  'content-security-policy',
  'cross-origin-resource-policy',
  'date',
  'keep-alive',
  'referrer-policy',
  'vary',
  'x-content-type-options',
];

describe('pages of other origins', () => {
  let world: World;
  let mapper: TestMapper;
  let forAll: TestMapper;
  let forNone: TestMapper;

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 200, hasUsers: true });
    mapper = await world.start({ corsOrigins: [APP, 'http://localhost:3000'] });
    forAll = await world.start({ corsOrigins: ['*'] });
    forNone = await world.start();
  });

  after(async function () {
    this.timeout(60_000);
    await world[Symbol.asyncDispose]();
  });

  async function preflight(url: string, path: string, origin: string): Promise<Answer> {
    return send('OPTIONS', `${url}${path}`, {
      headers: { host: 'x', origin, 'access-control-request-method': 'PATCH' },
    });
  }

  async function post(url: string, origin?: string): Promise<Answer> {
    return send('POST', `${url}/urls`, {
      ...BODY,
      headers: { host: 'x', ...BODY.headers, ...(origin !== undefined && { origin }) },
    });
  }

  it('ask first, and are let in where they are configured', async () => {
    for (const path of [
      '/urls',
      '/urls/some-link',
      '/users/me/keys',
      '/login',
      '/admin/users',
      '/openapi.json',
    ]) {
      const answer = await preflight(mapper.url, path, APP);
      expect([answer.status, answer.text], path).to.deep.equal([204, '']);
      expect(answer.headers).to.include({
        'access-control-allow-origin': APP,
        'access-control-max-age': '600',
        vary: 'Origin',
      });
      expect(answer.headers['access-control-allow-methods']).to.include('PATCH');
      expect(answer.headers['access-control-allow-headers']).to.include('Authorization');
      expect(answer.headers).not.to.have.property('access-control-allow-credentials');
    }
  });

  it('may read answers and problems, with their headers', async () => {
    const made = await post(mapper.url, APP);
    expect(made.status).to.equal(201);
    const refused = await send('GET', `${mapper.url}/users/me`, { headers: { host: 'x', origin: APP } });
    expect(refused.status).to.equal(401);
    for (const { headers } of [made, refused])
      expect(headers).to.include({ 'access-control-allow-origin': APP, vary: 'Origin' });
  });

  it('may read every header that says something about an answer', async () => {
    const strict = await world.start({
      corsOrigins: [APP],
      limits: {
        ...NO_LIMITS,
        loopback: true,
        perMinute: { ...NO_LIMITS.perMinute, anonymous: 4, 'sign-in': 1 },
      },
    });
    const answers: Answer[] = [await post(strict.url, APP)];
    for (const [method, path, type] of [
      ['PUT', '/users/me', 'application/json'],
      ['GET', '/users/me', 'application/json'],
      ['POST', '/urls/some-link/report', 'text/plain'],
      ['POST', '/login', 'application/json'],
      ['POST', '/login', 'application/json'],
      ['GET', '/openapi.json', ''],
    ] as const)
      answers.push(
        await send(method, strict.url + path, {
          headers: { host: 'x', origin: APP, 'content-type': type, 'content-length': '2' },
          body: '{}',
        }),
      );
    expect(answers.map(({ status }) => status)).to.deep.equal([201, 405, 401, 415, 422, 429, 200]);
    const seen = new Set(answers.flatMap(({ headers }) => Object.keys(headers)));
    expect(seen).to.include.keys('location', 'ratelimit', 'retry-after', 'x-request-id', 'allow');
    for (const { headers } of answers) {
      const exposed = String(headers['access-control-expose-headers']).toLowerCase().split(', ');
      // This test provokes no answer with these.
      expect(exposed).to.include.members(['etag', 'x-others-may-lag', 'idempotency-replayed']);
      for (const name of Object.keys(headers))
        expect([...exposed, ...READABLE, ...FOR_BROWSERS], name).to.include(name);
    }
  });

  it('are all let in with *', async () => {
    const answer = await post(forAll.url, 'https://any.example');
    expect(answer.headers['access-control-allow-origin']).to.equal('*');
    expect((await preflight(forAll.url, '/urls', 'null')).status).to.equal(204);
  });

  it('are not let in elsewhere', async () => {
    for (const [url, origin] of [
      [mapper.url, 'https://evil.example'],
      [mapper.url, `${APP}.evil.example`],
      [mapper.url, 'null'],
      [forNone.url, APP],
    ] as const) {
      expect((await preflight(url, '/urls', origin)).status).to.equal(405);
      const answer = await post(url, origin);
      expect(answer.status).to.equal(201);
      expect(answer.headers).not.to.have.property('access-control-allow-origin');
    }
  });

  it('find nothing of it on links, and nothing of the headers for pages on links and POST /urls', async () => {
    const made = await post(mapper.url);
    const key = String(made.json()['unique_id']);
    const followed = await send('GET', `${mapper.url}/${key}`, { headers: { host: 'x', origin: APP } });
    expect(followed.status).to.equal(302);
    expect(followed.headers).not.to.have.any.keys('vary', 'access-control-allow-origin');
    const profile = await send('GET', `${mapper.url}/users/me`, { headers: { host: 'x' } });
    for (const name of ['content-security-policy', 'x-content-type-options', 'referrer-policy']) {
      expect(profile.headers).to.have.property(name);
      for (const { headers } of [made, followed]) expect(headers).not.to.have.property(name);
    }
  });
});
