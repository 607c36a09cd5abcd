import { expect } from 'chai';
import { until } from '../../until.ts';
import { expectProblem } from '../client.ts';
import type { TestMapper, World } from '../world.ts';
import { ApiClient, cookieOf, problemKind } from './api-client.ts';
import { OTHER_PASSWORD, PASSWORD, type People } from './people.ts';
import { useApi } from './use-api.ts';

describe('a session', () => {
  const fixture = useApi();
  const { api, signIn } = fixture;
  let world: World;
  let mapper: TestMapper;
  let people: People;

  before(() => {
    ({ world, mapper, people } = fixture);
  });

  it('is a cookie that scripts and other sites cannot use', async () => {
    const { email } = await people.person();
    const [cookie = ''] = (await signIn(email)).headers['set-cookie'] ?? [];
    expect(cookie).to.match(/^keymill_session=[\w-]{43}; Path=\/; Max-Age=2592000; HttpOnly; SameSite=Lax$/);
    const secure = await world.start({ publicUrl: 'https://go.example' });
    const other = new ApiClient(() => secure.url, api.document);
    const answer = await other.call('POST', '/login', { body: { email, password: PASSWORD } });
    expect(answer.headers['set-cookie']?.[0]).to.match(/^__Host-keymill=.*; Path=\/; .*; Secure$/);
    const me = await other.call('GET', '/users/me', { cookie: cookieOf(answer) });
    expect(me.json()['email']).to.equal(email);
    await secure.stop();
  });

  it('is refused with a wrong password and for an unknown email, in the same words', async () => {
    const { email } = await people.person();
    const wrong = await signIn(email, OTHER_PASSWORD);
    const unknown = await signIn('nobody@example.com', OTHER_PASSWORD);
    expect([wrong.status, problemKind(wrong)]).to.deep.equal([401, 'wrong-password']);
    expect(unknown.text).to.equal(wrong.text);
    expect(wrong.headers).not.to.include.keys('set-cookie');
  });

  it('is refused to a disabled user who knows his password', async () => {
    const { id, email } = await people.person();
    await people.db.users.setDisabled(id, true, new Date());
    expect(problemKind(await signIn(email))).to.equal('account-disabled');
    expect(problemKind(await signIn(email, OTHER_PASSWORD))).to.equal('wrong-password');
  });

  it('ends with sign-out, here and on another mapper', async () => {
    const cookie = await people.session(await people.person());
    const second = await world.start();
    const other = new ApiClient(() => second.url, api.document);
    expect((await other.call('GET', '/users/me', { cookie })).status).to.equal(200);
    const out = await api.call('POST', '/logout', { cookie });
    expect(out.status).to.equal(204);
    expect(out.headers['set-cookie']?.[0]).to.include('keymill_session=; Path=/; Max-Age=0');
    for (const client of [api, other]) expectProblem(await client.call('GET', '/users/me', { cookie }), 401);
    await second.stop();
  });

  it('goes on for 30 days from its last use: once a day the cookie is set again, and the end moves', async () => {
    const ana = await people.person();
    const { createToken } = await import('../../../mapper/auth/secrets.ts');
    const { text, hash } = createToken();
    const now = Date.now();
    const row = {
      secretHash: hash,
      userId: ana.id,
      password: (await people.db.users.find(ana.id))?.password ?? '',
    };
    const [createdAt, expiresAt] = [new Date(now - 86_400_000), new Date(now + 60_000)];
    await people.db.sessions.create({ ...row, createdAt, expiresAt });
    const cookie = `keymill_session=${text}`;
    const answer = await api.call('GET', '/users/me', { cookie });
    expect(answer.headers['set-cookie']?.[0]).to.include(`${cookie}; Path=/; Max-Age=2592000;`);
    const endOf = async (): Promise<number> =>
      (await people.db.sessions.find(hash))?.expiresAt.getTime() ?? 0;
    await until('the later end', async () => (await endOf()) >= now + 30 * 86_400_000);
    const fresh = await people.session(ana);
    expect((await api.call('GET', '/users/me', { cookie: fresh })).headers).not.to.include.keys('set-cookie');
  });

  it('that has ended is taken from the browser', async () => {
    const cookie = await people.session(await people.person(), { endsInMs: -1 });
    for (const [method, path] of [
      ['GET', '/users/me'],
      ['POST', '/urls'],
    ] as const) {
      const body = { long_url: 'https://example.com/' };
      const answer = await api.call(method, path, { cookie, ...(method === 'POST' && { body }) });
      expectProblem(answer, 401);
      expect(answer.headers['set-cookie']?.[0]).to.match(/^keymill_session=; Path=\/; Max-Age=0;/);
    }
    const key = await api.call('GET', '/users/me', { cookie, key: 'km_wrong' });
    expect(key.headers).not.to.include.keys('set-cookie');
  });

  it('changes nothing for a page of another site', async () => {
    const cookie = await people.session(await people.person());
    const body = { name: 'a key', scopes: ['account'] };
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
    ]) {
      const answer = await api.call('POST', '/users/me/keys', { cookie, body, headers });
      expect([answer.status, problemKind(answer)]).to.deep.equal([403, 'foreign-origin']);
      const link = { long_url: 'https://example.com/' };
      expectProblem(await api.call('POST', '/urls', { cookie, body: link, headers }), 403);
    }
    const own = { origin: mapper.url, 'sec-fetch-site': 'same-origin' };
    expect((await api.call('POST', '/users/me/keys', { cookie, body, headers: own })).status).to.equal(201);
  });
});
