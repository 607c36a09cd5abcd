import { expect } from 'chai';
import { createToken } from '../../../mapper/auth/secrets.ts';
import { expectProblem, send, type Answer } from '../client.ts';
import { PASSWORD } from '../api/people.ts';
import { useDistantUsers } from '../api/use-distant-users.ts';
import { expectNoCode, fieldsOf, wordsOf } from '../link-pages/browser.ts';
import { NO_LIMITS, type World } from '../world.ts';
import { placeOf, Visitor } from './visitor.ts';

const TARGET = 'https://example.com/kept';

/** A session that was never begun, or has ended: nobody can tell. */
function endedSession(): string {
  return `keymill_session=${createToken().text}`;
}

describe('a form that cannot be carried out now', () => {
  const users = useDistantUsers({ keys: 50, shards: 1, databases: 1 });
  const base = (): string => users.mapper.url;

  async function countLinks(): Promise<number> {
    const [urls] = users.world.urls as [World['urls'][number]];
    const [rows] = await urls.sql.query('SELECT COUNT(*) AS n FROM urls');
    return (rows as { n: number }[])[0]?.n ?? 0;
  }

  function expectKept(page: Answer, status: number, action: string): Record<string, string | string[]> {
    expect(page.status, page.text).to.equal(status);
    expectNoCode(page);
    return fieldsOf(page, action);
  }

  it('is kept when its session has ended, but for passwords, and is carried out after a sign-in', async () => {
    const person = await users.people.person();
    const visitor = new Visitor(base, endedSession());
    const fields = { long_url: `${TARGET}?a="<b>`, password: 'open sesame', title: '\u202E</form>' };
    const page = await visitor.post('/urls/-/new', fields);
    const kept = expectKept(page, 401, '/urls/-/new');
    expect(kept).to.deep.equal({ ...fields, password: '' });
    expect(page.text).not.to.include('open sesame');
    expect(page.text).to.match(/<input[^>]*name="password"[^>]* required/);
    expect(page.text).to.include('href="/login" target="_blank"').and.not.include('href="/settings"');
    expect(visitor.cookie).to.equal('');
    visitor.cookie = await users.people.session(person);
    const place = placeOf(await visitor.post('/urls/-/new', { ...fields, ...kept, password: 'again' }));
    expect(place).to.match(/^\/urls\/[\w-]+\?done=made$/);
    const [, key = ''] = /urls\/([\w-]+)/.exec(place) ?? [];
    const link = await send('GET', `${users.mapper.url}/urls/${key}`, {
      headers: { cookie: visitor.cookie },
    });
    expect(link.json()).to.include({ title: '\u202E</form>', has_password: true });
  });

  it('leads to the page that it stands on, when it has nothing to keep or nothing that can be kept', async () => {
    const nobody = new Visitor(base);
    for (const [path, page] of [
      ['/urls/abc/restore', '/urls/abc'],
      ['/urls/abc', '/urls/abc'],
      ['/urls/bulk', '/urls'],
      ['/settings/webhooks/abc/test', '/settings/webhooks/abc'],
      ['/settings/keys/abc/revoke', '/settings/keys/abc/revoke'],
    ] as const) {
      const next = encodeURIComponent(page);
      expect(placeOf(await nobody.post(path, '')), path).to.equal(`/login?next=${next}`);
    }
    const many = Array.from({ length: 501 }, (_, at) => [`f${at}`, 'x'] as const);
    expect(placeOf(await nobody.post('/settings', many))).to.equal('/login?next=%2Fsettings');
    const large = { first_name: 'x'.repeat(100_000) };
    expect(placeOf(await nobody.post('/urls/abc', large))).to.equal('/login?next=%2Furls%2Fabc');
  });

  it('is kept after too many requests, also where its page cannot be read either', async () => {
    const perMinute = { ...NO_LIMITS.perMinute, session: 1 };
    const strict = await users.world.start({ limits: { ...NO_LIMITS, perMinute, loopback: true } });
    const visitor = new Visitor(() => strict.url, await users.people.session(await users.people.person()));
    const pages = [];
    for (let count = 0; count < 3; count += 1)
      pages.push(await visitor.post('/settings', { first_name: 'x'.repeat(200), last_name: '<i>' }));
    const last = pages.at(-1) as Answer;
    const kept = expectKept(last, 429, '/settings');
    expect(kept).to.deep.equal({ first_name: 'x'.repeat(200), last_name: '<i>' });
    expect(last.headers).to.include.keys('retry-after');
    await strict.stop();
  });

  it('makes no link of nobody when a session has ended or cannot be looked up', async () => {
    const before = await countLinks();
    const ended = new Visitor(base, endedSession());
    const fields = { long_url: TARGET, title: 'Mine' };
    const page = await ended.post('/urls', fields);
    expect([page.status, fieldsOf(page, '/urls')['long_url']]).to.deep.equal([401, TARGET]);
    expect(wordsOf(page)).to.include('Your session has ended').and.include('belongs to nobody');
    expect(ended.cookie).to.equal('');
    expect((await ended.get('/')).status).to.equal(200);
    const cookie = await users.people.session(await users.people.person());
    await users.whileAway('refuses connections', async () => {
      const away = await new Visitor(base, cookie).post('/urls', fields);
      expect(away.status, away.text).to.equal(503);
      expect(fieldsOf(away, '/urls')).to.include(fields);
      expect((await new Visitor(base, cookie).get('/')).status).to.equal(200);
    });
    expect(await countLinks()).to.equal(before);
    expect(placeOf(await ended.post('/urls', { long_url: TARGET }))).to.match(/^\/\?made=/);
    expect(placeOf(await new Visitor(base, cookie).post('/urls', fields))).to.match(/^\/\?made=/);
    expect(await countLinks()).to.equal(before + 2);
  });

  it('is kept while the users database is away, and no sign-out is told that did not happen', async () => {
    const cookie = await users.people.session(await users.people.person());
    const visitor = new Visitor(base, cookie);
    await users.whileAway('refuses connections', async () => {
      const page = await visitor.post('/logout', '');
      expect([page.status, visitor.cookie]).to.deep.equal([503, cookie]);
      expect(page.text).to.include('action="/logout"');
      const passwords = await visitor.post('/settings/password', {
        current: PASSWORD,
        new: 'a new password',
      });
      expect(expectKept(passwords, 503, '/settings/password')).to.deep.equal({ current: '', new: '' });
      expect(passwords.text).not.to.include(PASSWORD);
      const { text } = await visitor.post('/login', { email: 'a@example.com', password: PASSWORD });
      expect(text).to.include('value="a@example.com"');
    });
    expect(placeOf(await visitor.post('/logout', ''))).to.equal('/login?done=signedout');
    expect(placeOf(await new Visitor(base, cookie).get('/settings'))).to.include('/login');
    expect(placeOf(await new Visitor(base, endedSession()).post('/logout', ''))).to.equal(
      '/login?done=signedout',
    );
  });

  it('is no form for programs: with an API key they get the API, whatever they accept', async () => {
    const ana = await users.people.person();
    const { key } = await users.people.key(ana, ['links:read', 'links:create']);
    const program = { accept: 'text/html, image/gif, */*; q=.2', authorization: `Bearer ${key}` };
    const json = { 'content-type': 'application/json' };
    const made = await send('POST', `${users.mapper.url}/urls`, {
      headers: { ...program, ...json },
      body: JSON.stringify({ long_url: TARGET }),
    });
    const path = `/urls/${String(made.json()['unique_id'])}`;
    for (const [address, headers] of [
      ['/urls', program],
      [path, program],
      [path, { ...program, cookie: await users.people.session(ana) }],
    ] as const) {
      const answer = await send('GET', users.mapper.url + address, { headers });
      expect([answer.status, answer.headers['content-type']], address).to.deep.equal([
        200,
        'application/json; charset=utf-8',
      ]);
    }
    // A page of a link shows its clicks, which this key may not read.
    expectProblem(await send('GET', `${users.mapper.url}${path}/stats`, { headers: program }), 403);
    expectProblem(await send('GET', `${users.mapper.url}/admin/links`, { headers: program }), 403);
    expectProblem(await send('GET', `${users.mapper.url}/login`, { headers: program }), 405);
    const form = {
      ...program,
      origin: users.mapper.url,
      'content-type': 'application/x-www-form-urlencoded',
    };
    const body = `long_url=${encodeURIComponent(TARGET)}`;
    expectProblem(await send('POST', `${users.mapper.url}/urls`, { headers: form, body }), 415);
    expectProblem(await send('POST', `${users.mapper.url}${path}`, { headers: form, body }), 405);
    const other = { ...program, authorization: 'Bearer km_nobody' };
    expectProblem(await send('GET', users.mapper.url + path, { headers: other }), 401);
    // Nor without a key: what says nowhere where it comes from is no browser.
    const { authorization: _, origin: __, ...nobody } = form;
    expectProblem(await send('POST', `${users.mapper.url}/urls`, { headers: nobody, body }), 415);
  });
});
