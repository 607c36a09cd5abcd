import { expect } from 'chai';
import { DomainBlocks, MAX_BLOCKS } from '../../../db/accounts/domain-blocks.ts';
import { openMysql } from '../../../db/mysql/mysql.ts';
import { until } from '../../until.ts';
import { problemKind } from '../api/api-client.ts';
import { useApi } from '../api/use-api.ts';
import { send } from '../client.ts';
import { Browser, wordsOf } from '../link-pages/browser.ts';
import type { TestMapper } from '../world.ts';

interface Block {
  readonly domain: string;
  readonly note: string | null;
  readonly blocked_by: { readonly user_id: string; readonly email: string | null };
  readonly blocked_at: string;
}

describe('domains that administrators block', () => {
  const fixture = useApi({ keys: 20 });
  const { api } = fixture;

  async function newAdmin(): Promise<{ cookie: string; email: string; id: bigint }> {
    const person = await fixture.people.person({ isAdmin: true });
    return { ...person, cookie: await fixture.people.session(person) };
  }

  async function block(cookie: string, domain: string, note?: string): Promise<Block> {
    const body = { domain, ...(note !== undefined && { note }) };
    const answer = await api.call('POST', '/admin/domains', { cookie, body });
    expect(answer.status, answer.text).to.equal(201);
    return answer.json() as unknown as Block;
  }

  async function listed(cookie: string, query = ''): Promise<{ items: Block[]; next_cursor: string | null }> {
    return (await api.call('GET', `/admin/domains${query}`, { cookie })).json() as never;
  }

  async function follow({ url }: TestMapper, key: string): Promise<number> {
    return (await send('GET', `${url}/${key}`, { headers: { host: 'x' } })).status;
  }

  it('take no new link, and stop the links that lead there on all mappers, until they are let go', async () => {
    const { cookie } = await newAdmin();
    const other = await fixture.world.start();
    try {
      const key = await fixture.makeLink(cookie, { long_url: 'https://www.stopped.example/' });
      for (const mapper of [fixture.mapper, other]) expect(await follow(mapper, key)).to.equal(302);
      await block(cookie, 'Stopped.Example', 'phishing');
      expect(await follow(fixture.mapper, key)).to.equal(410);
      await until('the other mapper to know it', async () => (await follow(other, key)) === 410);
      const body = { long_url: 'https://a.b.stopped.example/' };
      const refused = await api.call('POST', '/urls', { cookie, body });
      expect([refused.status, refused.json()['errors']]).to.deep.equal([
        422,
        [{ field: 'long_url', reason: 'points at a blocked domain' }],
      ]);
      const freed = await api.call('DELETE', '/admin/domains/stopped.example', { cookie });
      expect(freed.status).to.equal(204);
      expect(await follow(fixture.mapper, key)).to.equal(302);
      await until('the other mapper to let it go', async () => (await follow(other, key)) === 302);
      const again = await api.call('DELETE', '/admin/domains/stopped.example', { cookie });
      expect([again.status, problemKind(again)]).to.deep.equal([404, 'not-found']);
    } finally {
      await other.stop();
    }
  });

  it('hold for a mapper that starts, before it serves', async () => {
    const { cookie } = await newAdmin();
    await block(cookie, 'at-start.example');
    const later = await fixture.world.start();
    try {
      const body = JSON.stringify({ long_url: 'https://at-start.example/' });
      const headers = { host: 'x', 'content-type': 'application/json' };
      expect((await send('POST', `${later.url}/urls`, { headers, body })).status).to.equal(422);
    } finally {
      await later.stop();
    }
  });

  it('are listed with who has blocked them, when and why, newest first', async () => {
    const [first, second] = [await newAdmin(), await newAdmin()];
    await block(first.cookie, 'one.example', 'Phishing of a bank');
    await block(second.cookie, 'müller.example');
    const { items, next_cursor: next } = await listed(first.cookie, '?limit=1');
    expect(items.map(({ domain, note }) => [domain, note])).to.deep.equal([['xn--mller-kva.example', null]]);
    const [one] = (await listed(first.cookie, `?limit=1&cursor=${next}`)).items;
    expect(one).to.deep.include({ domain: 'one.example', note: 'Phishing of a bank' });
    expect(one?.blocked_by).to.deep.equal({ user_id: String(first.id), email: first.email });
    expect(Date.parse(one?.blocked_at ?? '')).to.be.closeTo(Date.now(), 60_000);
    // The last one who says something counts.
    const changed = await block(second.cookie, '*.one.example', 'Reported by three');
    expect(changed).to.deep.include({ domain: 'one.example', note: 'Reported by three' });
    expect(changed.blocked_by.email).to.equal(second.email);
    const all = (await listed(first.cookie, '?limit=200')).items.map(({ domain }) => domain);
    expect(all.slice(0, 2)).to.deep.equal(['one.example', 'xn--mller-kva.example']);
    const { password = '' } = (await fixture.people.db.users.find(second.id)) ?? {};
    await fixture.people.db.users.askDeletion(second.id, { password, deleteLinks: false, now: new Date() });
    const [gone] = (await listed(first.cookie)).items;
    expect(gone?.blocked_by).to.deep.equal({ user_id: String(second.id), email: null });
  });

  it('must be domains, at most so many, and are for administrators only', async () => {
    const { cookie } = await newAdmin();
    for (const domain of ['', 'not a domain', 'a/b', 'x'.repeat(254), `${'a.'.repeat(130)}example`]) {
      const answer = await api.call('POST', '/admin/domains', { cookie, body: { domain } });
      expect(
        [answer.status, (answer.json()['errors'] as { field: string }[])[0]?.field],
        domain,
      ).to.deep.equal([422, 'domain']);
    }
    const note = await api.call('POST', '/admin/domains', {
      cookie,
      body: { domain: 'a.example', note: 'x'.repeat(1_001) },
    });
    expect(note.status).to.equal(422);
    const anna = { cookie: await fixture.people.session(await fixture.people.person()) };
    for (const [method, path] of [
      ['GET', '/admin/domains'],
      ['POST', '/admin/domains'],
      ['DELETE', '/admin/domains/one.example'],
    ] as const)
      expect((await api.call(method, path, { ...anna, body: { domain: 'a.example' } })).status).to.equal(403);
    await using sql = openMysql(fixture.world.usersUrl, { name: 'users', canTransact: true });
    const before = await new DomainBlocks(sql).count();
    await sql.execute(
      `INSERT INTO blocked_domains (domain, block_id, blocked_by, blocked_at)
       SELECT CONCAT('full-', seq, '.example'), seq, 1, NOW(3) FROM seq_1_to_${MAX_BLOCKS - before}`,
    );
    const full = await api.call('POST', '/admin/domains', { cookie, body: { domain: 'more.example' } });
    expect([full.status, full.text]).to.satisfy(
      ([status, text]: [number, string]) => status === 422 && text.includes('KEYMILL_BLOCKED_DOMAINS'),
    );
    await sql.execute("DELETE FROM blocked_domains WHERE domain LIKE 'full-%'");
  });

  it('are blocked and let go in a page, without scripts', async () => {
    const { cookie, email } = await newAdmin();
    const browser = new Browser(() => fixture.mapper.url, cookie);
    const refused = await browser.post('/admin/domains', { domain: 'no domain', note: 'kept' });
    expect([refused.status, wordsOf(refused).includes('must be a domain')]).to.deep.equal([422, true]);
    expect(refused.text).to.include('kept</textarea>');
    const note = '<b>phishing</b>';
    const done = await browser.post('/admin/domains', { domain: 'page.example', note });
    expect([done.status, done.headers.location]).to.deep.equal([303, '/admin/domains?done=blocked']);
    const page = await browser.get('/admin/domains');
    expect(wordsOf(page)).to.include(`page.example ${note} ${email}`);
    expect(page.text).to.include('&lt;b&gt;phishing');
    expect(wordsOf(await browser.get('/admin/domains?host=www.page.example'))).to.include('are blocked');
    const freed = await browser.post('/admin/domains/page.example/unblock', {});
    expect(freed.headers.location).to.equal('/admin/domains?done=unblocked');
    expect(wordsOf(await browser.get('/admin/domains?host=www.page.example'))).to.include('are allowed');
    expect((await browser.post('/admin/domains/page.example/unblock', {})).status).to.equal(404);
  });
});
