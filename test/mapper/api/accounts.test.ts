import { expect } from 'chai';
import { expectProblem, send, type Answer } from '../client.ts';
import type { TestMapper } from '../world.ts';
import { cookieOf, problemKind } from './api-client.ts';
import { OTHER_PASSWORD, PASSWORD, type People } from './people.ts';
import { useApi } from './use-api.ts';

describe('the own account', () => {
  const fixture = useApi();
  const { api, signIn } = fixture;
  let mapper: TestMapper;
  let people: People;

  before(() => {
    ({ mapper, people } = fixture);
  });

  it('changes the names that are given, and leaves the others', async () => {
    const cookie = await people.session(await people.person());
    const first = await api.call('PATCH', '/users/me', {
      cookie,
      body: { first_name: 'Ana', last_name: 'García 🌍' },
    });
    expect(first.json()).to.include({ first_name: 'Ana', middle_name: null, last_name: 'García 🌍' });
    const second = await api.call('PATCH', '/users/me', { cookie, body: { first_name: null } });
    expect(second.json()).to.include({ first_name: null, last_name: 'García 🌍' });
    expect((await api.call('GET', '/users/me', { cookie })).json()).to.deep.equal(second.json());
  });

  it('gets another password, which ends the other sessions and no key', async () => {
    const ana = await people.person();
    const [cookie, other] = [await people.session(ana), await people.session(ana)];
    const { key } = await people.key(ana, ['account']);
    expect((await api.call('GET', '/users/me', { cookie: other })).status).to.equal(200);
    const wrong = { current: OTHER_PASSWORD, new: OTHER_PASSWORD };
    expect(
      expectProblem(await api.call('POST', '/users/me/password', { cookie, body: wrong }), 422),
    ).to.deep.equal([{ field: 'current', reason: 'is wrong' }]);
    const common = { current: PASSWORD, new: 'qwertyuiop' };
    expect(
      expectProblem(await api.call('POST', '/users/me/password', { cookie, body: common }), 422)[0]?.field,
    ).to.equal('new');
    const right = { current: PASSWORD, new: OTHER_PASSWORD };
    const changed = await api.call('POST', '/users/me/password', { cookie, body: right });
    expect(changed.status, changed.text).to.equal(204);
    for (const ended of [cookie, other])
      expectProblem(await api.call('GET', '/users/me', { cookie: ended }), 401);
    expect((await api.call('GET', '/users/me', { cookie: cookieOf(changed) })).status).to.equal(200);
    expect((await api.call('GET', '/users/me', { key })).status).to.equal(200);
    expectProblem(await signIn(ana.email), 401);
    expect((await signIn(ana.email, OTHER_PASSWORD)).status).to.equal(200);
  });

  it('is deleted with the password: keys, sessions and sign-in end, and the job finds it', async () => {
    const ana = await people.person();
    const cookie = await people.session(ana);
    const { key } = await people.key(ana, ['account', 'links:create']);
    expectProblem(await api.call('DELETE', '/users/me', { cookie, body: { password: OTHER_PASSWORD } }), 422);
    const body = { password: PASSWORD, delete_links: true };
    expect((await api.call('DELETE', '/users/me', { key, body })).status).to.equal(204);
    expectProblem(await api.call('GET', '/users/me', { cookie }), 401);
    expectProblem(await api.call('POST', '/urls', { key, body: { long_url: 'https://example.com/' } }), 401);
    expect(problemKind(await signIn(ana.email))).to.equal('wrong-password');
    expect(await people.db.users.listDeletions(10)).to.deep.equal([{ id: ana.id, deleteLinks: true }]);
    await people.db.users.remove(ana.id);
    expect(await people.db.users.find(ana.id)).to.equal(undefined);
  });

  it('gets a new password once with a token, within its time', async () => {
    const ana = await people.person();
    const cookie = await people.session(ana);
    const { createToken } = await import('../../../mapper/auth/secrets.ts');
    const [late, good] = [createToken(), createToken()];
    const now = new Date();
    await people.db.resets.create(late.hash, ana.id, now, new Date(now.getTime() - 1));
    const reset = async (token: string): Promise<Answer> =>
      api.call('POST', '/users/reset', { body: { token, new: OTHER_PASSWORD } });
    for (const token of [late.text, good.text, 'made-up', ''])
      expect(expectProblem(await reset(token), 422)[0]?.field).to.equal('token');
    await people.db.resets.create(good.hash, ana.id, now, new Date(now.getTime() + 60_000));
    const answers = await Promise.all([reset(good.text), reset(good.text)]);
    expect(answers.map(({ status }) => status)).to.have.members([204, 422]);
    expectProblem(await api.call('GET', '/users/me', { cookie }), 401);
    expect((await signIn(ana.email, OTHER_PASSWORD)).status).to.equal(200);
  });

  it('answers HEAD like GET, other methods with 405, unknown paths with 404', async () => {
    const cookie = await people.session(await people.person());
    const head = await send('HEAD', `${mapper.url}/users/me`, { headers: { cookie } });
    expect([head.status, head.text]).to.deep.equal([200, '']);
    const wrong = await send('PUT', `${mapper.url}/users/me`);
    expectProblem(wrong, 405);
    expect(wrong.headers.allow).to.equal('GET, HEAD, PATCH, DELETE');
    expect((await send('GET', `${mapper.url}/login`)).headers.allow).to.equal('POST');
    for (const path of [
      '/users/you',
      '/users/me/',
      '/users/me/keys/a/b',
      '/docs/package.json',
      '/docs/..%2findex.js',
    ])
      expectProblem(await send('GET', mapper.url + path), 404);
  });
});
