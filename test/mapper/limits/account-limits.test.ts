import { expect } from 'chai';
import { ApiClient, type CallOptions } from '../api/api-client.ts';
import { PASSWORD, People } from '../api/people.ts';
import { send, type Answer } from '../client.ts';
import { createWorld, NO_LIMITS, type TestMapper, type World } from '../world.ts';

const PER_MINUTE = { ...NO_LIMITS.perMinute, key: 6, session: 4, 'sign-in': 3 };
const WRONG = 'not the password';

describe('limits of people with an account', () => {
  let world: World;
  let mapper: TestMapper;
  let people: People;
  let clients = 0;
  const api = new ApiClient(() => mapper.url);

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 50, hasUsers: true });
    const limits = { ...NO_LIMITS, perMinute: PER_MINUTE, trustedProxies: ['127.0.0.0/8'] };
    mapper = await world.start({ limits });
    people = new People(world.usersUrl);
  });

  after(async function () {
    this.timeout(60_000);
    await people[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  /** The header of a client that has sent nothing yet. */
  function newClient(): Record<string, string> {
    clients += 1;
    return { 'x-forwarded-for': `198.51.100.${clients}` };
  }

  it('count all sessions of a user together, and no key with them', async () => {
    const ana = await people.person();
    const cookies = [await people.session(ana), await people.session(ana)];
    const answers: Answer[] = [];
    for (let sent = 0; sent < 6; sent += 1)
      answers.push(
        await api.call('GET', '/users/me', { cookie: cookies[sent % 2] ?? '', headers: newClient() }),
      );
    expect(answers.map(({ status }) => status)).to.deep.equal([200, 200, 200, 200, 429, 429]);
    expect(answers[0]?.headers).to.include({
      'ratelimit-policy': '"session";q=4;w=60',
      ratelimit: '"session";r=3;t=60',
    });
    const { key } = await people.key(ana, ['account']);
    expect((await api.call('GET', '/users/me', { key, headers: newClient() })).status).to.equal(200);
    const other = await people.session(await people.person());
    expect((await api.call('GET', '/users/me', { cookie: other, headers: newClient() })).status).to.equal(
      200,
    );
  });

  it('count links that are made with a session', async () => {
    const cookie = await people.session(await people.person());
    const statuses: number[] = [];
    for (let sent = 0; sent < 5; sent += 1) {
      const body = { long_url: 'https://example.com/' };
      statuses.push((await api.call('POST', '/urls', { cookie, body, headers: newClient() })).status);
    }
    expect(statuses).to.deep.equal([201, 201, 201, 201, 429]);
  });

  it('count a request whose key lacks the scope', async () => {
    const { key } = await people.key(await people.person(), ['stats:read']);
    const statuses: number[] = [];
    for (let sent = 0; sent < 7; sent += 1)
      statuses.push((await api.call('GET', '/users/me', { key, headers: newClient() })).status);
    expect(statuses).to.deep.equal([403, 403, 403, 403, 403, 403, 429]);
  });

  const TRIES: readonly (readonly [what: string, method: string, path: string, body: object])[] = [
    ['change the password', 'POST', '/users/me/password', { current: WRONG, new: PASSWORD }],
    ['delete the account', 'DELETE', '/users/me', { password: WRONG }],
  ];
  for (const [what, method, path, body] of TRIES) {
    it(`count a try to ${what} as a sign-in of the account, from whichever address`, async () => {
      const { key } = await people.key(await people.person(), ['account']);
      const seen: Answer[] = [];
      for (let sent = 0; sent < 4; sent += 1)
        seen.push(await api.call(method, path, { key, body, headers: newClient() }));
      expect(seen.map(({ status }) => status)).to.deep.equal([422, 422, 422, 429]);
      expect(seen[0]?.headers).to.include({ 'ratelimit-policy': '"sign-in";q=3;w=60' });
    });

    it(`count a try to ${what} as a sign-in of the address, with whichever account`, async () => {
      const headers = newClient();
      const statuses: number[] = [];
      for (let sent = 0; sent < 4; sent += 1) {
        const { key } = await people.key(await people.person(), ['account']);
        statuses.push((await api.call(method, path, { key, body, headers })).status);
      }
      expect(statuses).to.deep.equal([422, 422, 422, 429]);
      const login: CallOptions = { headers, body: { email: 'ana@example.com', password: WRONG } };
      expect((await api.call('POST', '/login', login)).status).to.equal(429);
    });
  }

  it('count the form for a new password like its JSON', async () => {
    const headers = { ...newClient(), 'content-type': 'application/x-www-form-urlencoded' };
    const seen: Answer[] = [];
    for (let sent = 0; sent < 4; sent += 1)
      seen.push(
        await send('POST', `${mapper.url}/users/reset`, {
          headers,
          body: `token=none&new=${'a'.repeat(20)}`,
        }),
      );
    expect(seen.map(({ status }) => status)).to.deep.equal([422, 422, 422, 429]);
    expect(seen[0]?.headers).to.include({ 'ratelimit-policy': '"sign-in";q=3;w=60' });
    const body = { token: 'none', new: 'a'.repeat(20) };
    const { 'x-forwarded-for': client = '' } = headers as Record<string, string>;
    const json = await api.call('POST', '/users/reset', { body, headers: { 'x-forwarded-for': client } });
    expect(json.status).to.equal(429);
    expect(Number(seen.at(-1)?.headers['retry-after'])).to.be.within(1, 60);
  });
});
