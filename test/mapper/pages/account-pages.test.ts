import { expect } from 'chai';
import { PasswordProcess } from '../../../mapper/auth/password-process.ts';
import { send } from '../client.ts';
import { OTHER_PASSWORD, PASSWORD, People, type Person } from '../api/people.ts';
import { createWorld, NO_LIMITS, type TestMapper, type World } from '../world.ts';
import { placeOf, Visitor } from './visitor.ts';

type Run = (
  this: PasswordProcess,
  ...task: Parameters<PasswordProcess['run']>
) => ReturnType<PasswordProcess['run']>;

describe('the pages of an account', () => {
  let world: World;
  let mapper: TestMapper;
  let people: People;
  const base = (): string => mapper.url;

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 50, hasUsers: true, shards: 1, databases: 1 });
    mapper = await world.start();
    people = new People(world.usersUrl);
  });

  after(async function () {
    this.timeout(60_000);
    await people[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  async function signedIn(options = {}): Promise<{ person: Person; visitor: Visitor }> {
    const person = await people.person(options);
    return { person, visitor: new Visitor(base, await people.session(person)) };
  }

  it('lead from signing up to the end of the account', async () => {
    const ana = new Visitor(base);
    const fields = { email: 'ana@example.com', password: PASSWORD, first_name: 'Ana', last_name: '' };
    const up = await ana.post('/signup', fields);
    expect(placeOf(up)).to.equal('/urls');
    expect(up.headers['set-cookie']?.[0]).to.match(/HttpOnly; SameSite=Lax$/);
    expect((await ana.get('/settings')).text)
      .to.include('ana@example.com')
      .and.include('value="Ana"');
    expect(placeOf(await ana.get('/login'))).to.equal('/urls');
    expect(placeOf(await ana.get('/signup'))).to.equal('/urls');
    const out = await ana.post('/logout', '');
    expect([placeOf(out), ana.cookie]).to.deep.equal(['/login?done=signedout', '']);
    expect((await ana.get('/login?done=signedout')).text).to.include('You have signed out');
    const into = { email: 'ana@example.com', password: PASSWORD, next: '/settings/keys' };
    expect(placeOf(await ana.post('/login', into))).to.equal('/settings/keys');
    const kept = ana.cookie;
    const wrong = await ana.post('/settings/delete', { password: 'wrong password' });
    expect([wrong.status, wrong.text.includes('Password is wrong.')]).to.deep.equal([422, true]);
    expect(placeOf(await ana.post('/settings/delete', { password: PASSWORD }))).to.equal(
      '/login?done=deleted',
    );
    expect(ana.cookie).to.equal('');
    const again = new Visitor(base, kept);
    expect(placeOf(await again.get('/settings'))).to.equal('/login?next=%2Fsettings');
    expect(again.cookie).to.equal('');
  });

  it('work on a password once for a sign-up, which signs in too', async () => {
    const tasks: string[] = [];
    const run: Run = Reflect.get(PasswordProcess.prototype, 'run');
    PasswordProcess.prototype.run = async function (task) {
      tasks.push(task.stored === undefined ? 'hash' : 'compare');
      return run.call(this, task);
    };
    try {
      const eva = new Visitor(base);
      const fields = { email: 'eva@example.com', password: PASSWORD, first_name: '', last_name: '' };
      expect(placeOf(await eva.post('/signup', fields))).to.equal('/urls');
      expect(tasks).to.deep.equal(['hash']);
      expect((await eva.get('/settings')).text).to.include('eva@example.com');
      expect(placeOf(await new Visitor(base).post('/login', fields))).to.equal('/urls');
      expect(tasks).to.deep.equal(['hash', 'compare']);
    } finally {
      PasswordProcess.prototype.run = run;
    }
  });

  it('say what is wrong with a sign-in or sign-up, and never what was typed as a password', async () => {
    const { email } = await people.person();
    const visitor = new Visitor(base);
    const wrong = await visitor.post('/login', { email, password: 'wrong password!', next: '/settings' });
    expect(wrong.status).to.equal(401);
    for (const part of [
      'role="alert"',
      'Email or password is wrong.',
      `value="${email}"`,
      'value="/settings"',
    ])
      expect(wrong.text).to.include(part);
    expect(wrong.text).not.to.include('wrong password!');
    const evil = '"><script>alert(1)</script>@example.com';
    const up = await visitor.post('/signup', { email: evil, password: 'short', first_name: '\u202E<b>' });
    expect(up.status).to.equal(422);
    expect(up.text).to.include('value="&quot;&gt;&lt;script&gt;').and.include('value="\u202E&lt;b&gt;"');
    expect(up.text).to.include('id="fault-email"').and.include('id="fault-password"');
    expect(up.text).not.to.match(/<script>|<b>|short"/);
    const taken = await visitor.post('/signup', { email, password: PASSWORD });
    expect([taken.status, taken.text.includes('Email is taken.')]).to.deep.equal([409, true]);
    const closed = await world.start({ signup: 'closed' });
    const outside = new Visitor(() => closed.url);
    expect((await outside.get('/')).text).not.to.include('/signup');
    const refused = await outside.get('/signup');
    expect([refused.status, refused.text.includes('Sign-up is closed')]).to.deep.equal([403, true]);
    expect((await outside.post('/signup', { email: 'new@example.com', password: PASSWORD })).status).to.equal(
      403,
    );
    await closed.stop();
  });

  it('lead only to places of ours after a sign-in', async () => {
    const { visitor } = await signedIn();
    for (const next of [
      'https://evil.example',
      '//evil.example',
      '/\\evil.example',
      'javascript:x',
      '',
      '/\t/evil',
      '/.//evil.example',
      '/a/..//evil.example',
      '/%2e//evil.example',
      '/.\\/evil.example',
    ])
      expect(placeOf(await visitor.get(`/login?next=${encodeURIComponent(next)}`)), next).to.equal('/urls');
    expect(placeOf(await visitor.get('/login?next=%2Fsettings%3Fa%3Db'))).to.equal('/settings?a=b');
  });

  it('lead to no short link after a sign-in, which leads to any site', async () => {
    const { person, visitor } = await signedIn();
    const { email } = person;
    const nobody = new Visitor(base);
    for (const next of ['/abc', '/abc+', '/go/abc', '/urls/export', '/images/abc', '/settings/keys/abc']) {
      expect(placeOf(await visitor.get(`/login?next=${encodeURIComponent(next)}`)), next).to.equal('/urls');
      expect(placeOf(await nobody.post('/login', { email, password: PASSWORD, next })), next).to.equal(
        '/urls',
      );
    }
    for (const next of ['/', '/?made=abc', '/urls', '/urls/abc?period=7d', '/urls/-/new'])
      expect(placeOf(await visitor.get(`/login?next=${encodeURIComponent(next)}`)), next).to.equal(next);
  });

  it('are for those who are signed in, and kept by nobody', async () => {
    const { visitor } = await signedIn();
    const nobody = new Visitor(base);
    for (const path of [
      '/settings',
      '/settings/password',
      '/settings/keys',
      '/settings/webhooks',
      '/settings/delete',
    ]) {
      const page = await visitor.get(path);
      expect(page.status, path).to.equal(200);
      expect(page.headers).to.include({ 'cache-control': 'no-store' });
      expect(page.headers['content-security-policy']).to.include("frame-ancestors 'none'");
      expect(page.text).to.include('aria-current="page"');
      expect(placeOf(await nobody.get(path))).to.equal(`/login?next=${encodeURIComponent(path)}`);
      expect(placeOf(await nobody.post(path, ''))).to.equal(`/login?next=${encodeURIComponent(path)}`);
      const foreign = await visitor.post(path, { password: PASSWORD }, { origin: 'https://evil.example' });
      expect(foreign.status, path).to.equal(403);
    }
  });

  it('change names and the password', async () => {
    const { person, visitor } = await signedIn();
    const names = { first_name: ' <b>Ana</b> ', middle_name: '', last_name: 'García' };
    expect(placeOf(await visitor.post('/settings', names))).to.equal('/settings?done=saved');
    expect((await visitor.get('/settings')).text).to.include('value="&lt;b&gt;Ana&lt;/b&gt;"');
    const long = await visitor.post('/settings', { first_name: 'a'.repeat(10_000) });
    expect([long.status, long.text.includes('id="fault-first_name"')]).to.deep.equal([422, true]);
    const before = visitor.cookie;
    const wrong = await visitor.post('/settings/password', { current: 'no', new: OTHER_PASSWORD });
    expect([wrong.status, wrong.text.includes('Current password is wrong.')]).to.deep.equal([422, true]);
    const fields = { current: PASSWORD, new: OTHER_PASSWORD };
    expect(placeOf(await visitor.post('/settings/password', fields))).to.equal(
      '/settings/password?done=changed',
    );
    expect((await visitor.get('/settings')).status).to.equal(200);
    expect(placeOf(await new Visitor(base, before).get('/settings'))).to.include('/login');
    const again = new Visitor(base);
    const signIn = { email: person.email, password: OTHER_PASSWORD };
    expect((await again.post('/login', signIn)).status).to.equal(303);
  });

  it('make an API key whose secret is in one answer and no address, and revoke it', async () => {
    const { visitor } = await signedIn();
    const path = '/settings/keys';
    const made = await visitor.post(path, [
      ['name', '<b>server</b>'],
      ['scopes', 'links:create'],
      ['scopes', 'stats:read'],
      ['expires_in', '30'],
    ]);
    expect([made.status, made.headers.location, made.headers['cache-control']]).to.deep.equal([
      200,
      undefined,
      'no-store',
    ]);
    const [, secret = ''] = /value="(km_\w+)"/.exec(made.text) ?? [];
    expect(made.text).to.include('shown only now').and.include('&lt;b&gt;server');
    const authorization = `Bearer ${secret}`;
    const link = { headers: { authorization, 'content-type': 'application/json' } };
    const body = '{"long_url":"https://example.com/"}';
    expect((await send('POST', `${mapper.url}/urls`, { ...link, body })).status).to.equal(201);
    const list = (await visitor.get(path)).text;
    expect(list).to.include('links:create, stats:read').and.not.include(secret);
    const [, revoke = ''] = /href="(\/settings\/keys\/\w+\/revoke)"/.exec(list) ?? [];
    expect((await visitor.get(revoke)).text)
      .to.include('&lt;b&gt;server')
      .and.include(`action="${revoke}"`);
    const { visitor: other } = await signedIn();
    expect((await other.post(revoke, '')).status).to.equal(404);
    expect(placeOf(await visitor.post(revoke, ''))).to.equal(`${path}?done=revoked`);
    expect((await send('POST', `${mapper.url}/urls`, { ...link, body })).status).to.equal(401);
    const faulty = await visitor.post(path, { name: '', expires_in: '30' });
    expect(faulty.status).to.equal(422);
    expect(faulty.text).to.include('id="fault-name"').and.include('id="fault-scopes"');
    const endless = await visitor.post(path, { name: 'x', scopes: 'links:read', expires_in: '9999' });
    expect([endless.status, endless.text.includes('id="fault-expires_in"')]).to.deep.equal([422, true]);
    const more = await visitor.post(path, { name: 'all', scopes: 'admin', expires_in: '30' });
    expect([more.status, more.text.includes('Only administrators may do this')]).to.deep.equal([403, true]);
  });

  it('make, change, switch and delete a webhook', async () => {
    const { visitor } = await signedIn();
    const path = '/settings/webhooks';
    const made = await visitor.post(path, { url: 'https://hooks.example/a?b=<c>', events: 'link.created' });
    expect(made.status).to.equal(200);
    const [, secret = ''] = /value="(whsec_[^"]+)"/.exec(made.text) ?? [];
    expect(secret).to.have.length.above(20);
    const [, one = ''] = /href="(\/settings\/webhooks\/[0-9a-f]{32})"/.exec(made.text) ?? [];
    const page = await visitor.get(one);
    expect(page.text).to.include('hooks.example').and.not.include(secret);
    const changed = await visitor.post(one, { url: 'https://hooks.example/b', events: 'link.deleted' });
    expect(placeOf(changed)).to.equal(`${one}?done=saved`);
    expect(placeOf(await visitor.post(`${one}/switch`, { to: 'off' }))).to.equal(`${one}?done=off`);
    expect((await visitor.get(`${one}?done=off`)).text).to.include('Switch it on');
    const fresh = await visitor.post(`${one}/secret`, '');
    expect([fresh.status, fresh.text.includes(secret)]).to.deep.equal([200, false]);
    const faulty = await visitor.post(one, { url: 'http://127.0.0.1/', events: 'link.deleted' });
    expect([faulty.status, faulty.text.includes('id="fault-url"')]).to.deep.equal([422, true]);
    const { visitor: other } = await signedIn();
    for (const [method, address] of [
      ['get', one],
      ['get', `${one}/delete`],
      ['post', `${one}/delete`],
      ['post', `${one}/test`],
    ] as const)
      expect((await other[method](address, method === 'post' ? ('' as never) : {})).status).to.equal(404);
    expect((await visitor.get(`${one}/delete`)).text).to.include('Delete this webhook?');
    expect(placeOf(await visitor.post(`${one}/delete`, ''))).to.equal(`${path}?done=deleted`);
  });

  it('count sign-ins as the API does, and are pages for people also when there are too many', async () => {
    const perMinute = { ...NO_LIMITS.perMinute, 'sign-in': 2 };
    const strict = await world.start({ limits: { ...NO_LIMITS, perMinute, loopback: true } });
    const visitor = new Visitor(() => strict.url);
    const answers = [];
    for (let count = 0; count < 3; count += 1)
      answers.push(await visitor.post('/login', { email: 'no@example.com', password: 'wrong password' }));
    expect(answers.map(({ status }) => status)).to.deep.equal([401, 401, 429]);
    expect(answers[2]?.headers).to.include.keys('retry-after');
    expect(answers[2]?.text).to.include('value="no@example.com"');
    const perSignUp = { ...NO_LIMITS.perMinute, 'sign-in': 1 };
    const stricter = await world.start({ limits: { ...NO_LIMITS, perMinute: perSignUp, loopback: true } });
    const fresh = new Visitor(() => stricter.url);
    const up = await fresh.post('/signup', { email: 'fresh@example.com', password: PASSWORD });
    expect([placeOf(up), (await fresh.get('/settings')).status]).to.deep.equal(['/urls', 200]);
    await stricter.stop();
    await strict.stop();
  });

  it('leave the JSON of the same paths to programs', async () => {
    const { person, visitor } = await signedIn();
    const program = { accept: '*/*' };
    const login = await send('GET', `${mapper.url}/login`, { headers: program });
    expect([login.status, login.headers.allow]).to.deep.equal([405, 'POST']);
    const body = JSON.stringify({ email: person.email, password: PASSWORD });
    const headers = { 'content-type': 'application/json', accept: 'text/html' };
    expect((await send('POST', `${mapper.url}/login`, { headers, body })).json()['email']).to.equal(
      person.email,
    );
    expect((await visitor.get('/login')).headers.vary).to.equal('Accept');
    expect((await send('GET', `${mapper.url}/settings`, { headers: program })).status).to.equal(303);
    const other = await send('PUT', `${mapper.url}/settings`);
    expect([other.status, other.headers.allow]).to.deep.equal([405, 'GET, HEAD, POST']);
  });

  it('go without accounts where there is no users database', async () => {
    const alone = await world.start({ stores: { usersDb: undefined } });
    const visitor = new Visitor(() => alone.url);
    const front = await visitor.get('/');
    expect(front.text).not.to.match(/href="\/(?:login|signup)"/);
    expect((await visitor.post('/urls', { long_url: 'https://example.com/' })).status).to.equal(303);
    expect((await visitor.post('/login', { email: 'a@example.com', password: PASSWORD })).status).to.equal(
      503,
    );
    await alone.stop();
  });
});
