import { expect } from 'chai';
import { expectProblem, send, type Answer } from '../client.ts';
import { createWorld, type TestMapper, type World } from '../world.ts';
import { until } from '../../until.ts';
import { ApiClient, cookieOf, problemKind } from './api-client.ts';
import { PASSWORD, People } from './people.ts';

const OTHER_PASSWORD = 'another long password';

describe('accounts', () => {
  let world: World;
  let mapper: TestMapper;
  let people: People;
  const api = new ApiClient(() => mapper.url);

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 100, hasUsers: true });
    mapper = await world.start();
    people = new People(world.usersUrl);
  });

  after(async function () {
    this.timeout(20_000);
    await people[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  async function signIn(email: string, password = PASSWORD): Promise<Answer> {
    return api.call('POST', '/login', { body: { email, password } });
  }

  it('sign up, sign in, make a key, and make a link with it that has an owner', async () => {
    const made = await api.call('POST', '/users', { body: { email: 'Ana@Example.com', password: PASSWORD } });
    expect(made.status, made.text).to.equal(201);
    expect(made.json()).to.include({ email: 'ana@example.com', is_admin: false, first_name: null });
    const cookie = cookieOf(await signIn('ana@example.com'));
    expect((await api.call('GET', '/users/me', { cookie })).json()).to.deep.equal(made.json());
    const body = { name: 'one', scopes: ['links:write'] };
    const made2 = await api.call('POST', '/users/me/keys', { cookie, body });
    expect(made2.status, made2.text).to.equal(201);
    const key = String(made2.json()['secret']);
    expect(key).to.match(/^km_[0-9A-Za-z]{46}$/);
    const link = await api.call('POST', '/urls', { key, body: { long_url: 'https://example.com/' } });
    expect([link.status, Object.keys(link.json()).length]).to.deep.equal([201, 5]);
    expect(await ownerOf(link)).to.equal(made.json()['user_id']);
    const anonymous = await api.call('POST', '/urls', { body: { long_url: 'https://example.com/' } });
    expect(await ownerOf(anonymous)).to.equal(null);
  });

  async function ownerOf(link: Answer): Promise<string | null | undefined> {
    for (const { sql } of world.urls) {
      const [rows] = await sql.query('SELECT CAST(user_id AS CHAR) AS id FROM urls WHERE unique_id = ?', [
        link.json()['unique_id'],
      ]);
      const [row] = rows as { id: string | null }[];
      if (row !== undefined) return row.id;
    }
    return undefined;
  }

  describe('sign-up', () => {
    const REFUSED: readonly (readonly [what: string, body: object, field: string, reason: RegExp])[] = [
      ['no email', { password: PASSWORD }, 'email', /is required/],
      ['a number as email', { email: 5, password: PASSWORD }, 'email', /must be a string/],
      ['no address', { email: 'ana', password: PASSWORD }, 'email', /must be an email address/],
      ['an address without a domain', { email: 'ana@localhost', password: PASSWORD }, 'email', /domain/],
      ['a blank in the address', { email: 'a na@example.com', password: PASSWORD }, 'email', /before the @/],
      ['a long address', { email: `ana@${'a.'.repeat(130)}com`, password: PASSWORD }, 'email', /254/],
      ['a short password', { email: 'x@example.com', password: 'short' }, 'password', /at least 10/],
      ['a common password', { email: 'x@example.com', password: 'Password123' }, 'password', /tried first/],
      ['a long password', { email: 'x@example.com', password: 'é'.repeat(513) }, 'password', /1024 bytes/],
      [
        'a lone surrogate in the password',
        { email: 'x@example.com', password: `${PASSWORD}\ud800` },
        'password',
        /well-formed/,
      ],
      [
        'a lone surrogate in a name',
        { first_name: 'a\udc00', email: 'x@example.com', password: PASSWORD },
        'first_name',
        /well-formed/,
      ],
      [
        'a NUL in a name',
        { last_name: 'a\0', email: 'x@example.com', password: PASSWORD },
        'last_name',
        /control/,
      ],
      [
        'a long name',
        { first_name: 'a'.repeat(101), email: 'x@example.com', password: PASSWORD },
        'first_name',
        /100/,
      ],
      [
        'an unknown field',
        { is_admin: true, email: 'x@example.com', password: PASSWORD },
        'is_admin',
        /unknown field/,
      ],
    ];
    for (const [what, body, field, reason] of REFUSED)
      it(`refuses ${what}`, async () => {
        const answer = await api.call('POST', '/users', { body });
        const errors = expectProblem(answer, 422);
        expect(errors.map((error) => error.field)).to.deep.equal([field]);
        expect(errors[0]?.reason).to.match(reason);
      });

    it('refuses an email that is taken, in any spelling', async () => {
      const { email } = await people.person();
      for (const spelling of [email, email.toUpperCase(), ` ${email} `]) {
        const answer = await api.call('POST', '/users', { body: { email: spelling, password: PASSWORD } });
        expect(expectProblem(answer, 409)).to.deep.equal([{ field: 'email', reason: 'is taken' }]);
      }
    });

    it('gives an email to one of many that ask for it at the same time', async () => {
      const body = { email: 'many@example.com', password: PASSWORD };
      const answers = await Promise.all(
        Array.from({ length: 8 }, async () => api.call('POST', '/users', { body })),
      );
      expect(answers.map(({ status }) => status)).to.have.members([201, 409, 409, 409, 409, 409, 409, 409]);
    });

    it('compares domains in ASCII and passwords in one form', async () => {
      const body = { email: 'ana@bücher.example', password: 'ein schlüssel lang' };
      const made = await api.call('POST', '/users', { body });
      expect(made.json()['email']).to.equal('ana@xn--bcher-kva.example');
      const answer = await signIn('ANA@BÜCHER.example', 'ein schlu\u0308ssel lang');
      expect(answer.status).to.equal(200);
    });

    it('is refused where it is closed', async () => {
      const closed = await world.start({ signup: 'closed' });
      const other = new ApiClient(() => closed.url, api.document);
      const body = { email: 'closed@example.com', password: PASSWORD };
      const answer = await other.call('POST', '/users', { body });
      expect([answer.status, problemKind(answer)]).to.deep.equal([403, 'signup-closed']);
      await closed.stop();
    });
  });

  describe('a session', () => {
    it('is a cookie that scripts and other sites cannot use', async () => {
      const { email } = await people.person();
      const [cookie = ''] = (await signIn(email)).headers['set-cookie'] ?? [];
      expect(cookie).to.match(
        /^keymill_session=[\w-]{43}; Path=\/; Max-Age=2592000; HttpOnly; SameSite=Lax$/,
      );
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
      for (const client of [api, other])
        expectProblem(await client.call('GET', '/users/me', { cookie }), 401);
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
      expect((await api.call('GET', '/users/me', { cookie: fresh })).headers).not.to.include.keys(
        'set-cookie',
      );
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

  describe('a key', () => {
    it('shows when it was last used, to the minute', async () => {
      const ana = await people.person();
      const { key, keyId } = await people.key(ana, ['account']);
      await api.call('GET', '/users/me', { key });
      const lastUsed = async (): Promise<unknown> => {
        const { items } = (await api.call('GET', '/users/me/keys', { key })).json() as {
          items: Record<string, unknown>[];
        };
        return items.find((item) => item['key_id'] === keyId)?.['last_used_at'];
      };
      expect(String(await until('the record', lastUsed))).to.match(/:00\.000Z$/);
    });

    it('can make no key that may do more', async () => {
      const admin = await people.person({ isAdmin: true });
      const { key } = await people.key(admin, ['account', 'links:create']);
      const make = async (...scopes: string[]): Promise<Answer> =>
        api.call('POST', '/users/me/keys', { key, body: { name: 'a key', scopes } });
      expect((await make('links:create')).status).to.equal(201);
      for (const scopes of [['links:write'], ['links:create', 'admin']]) {
        const refused = await make(...scopes);
        expect([refused.status, problemKind(refused)]).to.deep.equal([403, 'missing-scope']);
        expect(refused.json()['detail']).to.include(scopes.at(-1));
      }
      const cookie = await people.session(await people.person());
      const body = { name: 'a key', scopes: ['admin'] };
      expectProblem(await api.call('POST', '/users/me/keys', { cookie, body }), 403);
    });

    it('expires when it says', async () => {
      const cookie = await people.session(await people.person());
      const soon = new Date(Date.now() + 1_500).toISOString();
      const body = { name: 'short', scopes: ['account'], expires_at: soon };
      const made = await api.call('POST', '/users/me/keys', { cookie, body });
      expect(made.json()['expires_at']).to.equal(soon);
      const key = String(made.json()['secret']);
      expect((await api.call('GET', '/users/me', { key })).status).to.equal(200);
      await until('its end', async () => (await api.call('GET', '/users/me', { key })).status === 401);
      expect(Date.now()).to.be.at.least(Date.parse(soon));
    });

    const REFUSED: readonly (readonly [what: string, change: object, field: string, reason: RegExp])[] = [
      ['no name', { name: undefined }, 'name', /is required/],
      ['an empty name', { name: '' }, 'name', /must not be empty/],
      ['no scope', { scopes: [] }, 'scopes', /at least one/],
      ['an unknown scope', { scopes: ['links:all'] }, 'scopes.0', /must be one of links:create/],
      ['a scope twice', { scopes: ['account', 'account'] }, 'scopes', /each scope once/],
      ['a text as scopes', { scopes: 'account' }, 'scopes', /must be a list/],
      ['an end in the past', { expires_at: '2020-01-01T00:00:00Z' }, 'expires_at', /past/],
      ['an end without a zone', { expires_at: '2030-01-01T00:00:00' }, 'expires_at', /./],
    ];
    for (const [what, change, field, reason] of REFUSED)
      it(`is refused with ${what}`, async () => {
        const cookie = await people.session(await people.person());
        const body = { name: 'a key', scopes: ['account'], ...change };
        const errors = expectProblem(await api.call('POST', '/users/me/keys', { cookie, body }), 422);
        expect(errors[0]?.field).to.equal(field);
        expect(errors[0]?.reason).to.match(reason);
      });

    it('is one of at most 100, also when many are made at the same time', async () => {
      const ana = await people.person();
      const cookie = await people.session(ana);
      for (let made = 0; made < 97; made += 1) await people.key(ana, ['account']);
      const body = { name: 'a key', scopes: ['account'] };
      const answers = await Promise.all(
        Array.from({ length: 4 }, async () => api.call('POST', '/users/me/keys', { cookie, body })),
      );
      // Those that run side by side do not see each other, so a few more may be made; the next one sees them
      // all.
      expect(answers.filter(({ status }) => status === 201)).to.have.length.at.least(3);
      expect(
        expectProblem(await api.call('POST', '/users/me/keys', { cookie, body }), 422)[0]?.reason,
      ).to.include('100 keys');
    });
  });

  describe('the own account', () => {
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
      expectProblem(
        await api.call('DELETE', '/users/me', { cookie, body: { password: OTHER_PASSWORD } }),
        422,
      );
      const body = { password: PASSWORD, delete_links: true };
      expect((await api.call('DELETE', '/users/me', { key, body })).status).to.equal(204);
      expectProblem(await api.call('GET', '/users/me', { cookie }), 401);
      expectProblem(
        await api.call('POST', '/urls', { key, body: { long_url: 'https://example.com/' } }),
        401,
      );
      expect(problemKind(await signIn(ana.email))).to.equal('wrong-password');
      const [deletion, ...others] = await people.db.users.listDeletions({ limit: 10 });
      expect(deletion).to.include({ id: ana.id, deleteLinks: true });
      expect(others).to.deep.equal([]);
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
