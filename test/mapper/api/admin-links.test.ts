import { expect } from 'chai';
import { createLog } from '../../../runtime/log.ts';
import { expectProblem, send, type Answer } from '../client.ts';
import { createWorld, type TestMapper, type World } from '../world.ts';
import { ApiClient } from './api-client.ts';
import { People, type Person } from './people.ts';

const REASON = 'It imitates a bank.';

describe('links of everybody, for administrators', () => {
  let world: World;
  let mappers: readonly TestMapper[];
  let people: People;
  let ana: Person;
  let admin: Person;
  let key: string;
  const lines: string[] = [];
  let cookie: string;
  const api = new ApiClient(() => mappers[0]?.url ?? '');
  const elsewhere = new ApiClient(() => mappers[1]?.url ?? '');

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 500, hasUsers: true });
    const log = createLog('test', 'admin-links', 'silent');
    Object.assign(log, { info: (...args: unknown[]) => lines.push(JSON.stringify(args)) });
    mappers = [await world.start(), await world.start({ log })];
    people = new People(world.usersUrl);
    ana = await people.person();
    cookie = await people.session(ana);
    admin = await people.person({ isAdmin: true });
    ({ key } = await people.key(admin, ['admin']));
  });

  after(async function () {
    this.timeout(60_000);
    await people[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  /** @param owner the cookie of its owner; undefined: nobody */
  async function make(fields: object = {}, owner?: string): Promise<string> {
    const answer = await api.call('POST', '/urls', {
      ...(owner !== undefined && { cookie: owner }),
      body: { long_url: 'https://example.com/', ...fields },
    });
    expect(answer.status, answer.text).to.equal(201);
    return String(answer.json()['unique_id']);
  }

  /** What each mapper answers to somebody who follows the link. */
  async function follow(link: string): Promise<number[]> {
    const answers = mappers.map(async ({ url }) =>
      send('GET', `${url}/${link}`, { headers: { host: 'localhost' } }),
    );
    return (await Promise.all(answers)).map(({ status }) => status);
  }

  async function block(link: string, body: object, options: object = {}, client = api): Promise<Answer> {
    return client.call('PATCH', `/admin/links/${link}`, { key, body, ...options });
  }

  /** The keys of all pages, and the number of pages. */
  async function find(query: string): Promise<{ keys: string[]; pages: number }> {
    const keys: string[] = [];
    let cursor: string | null = '';
    let pages = 0;
    while (cursor !== null) {
      const from = cursor === '' ? '' : `&cursor=${cursor}`;
      const answer = await api.call('GET', `/admin/links?${query}${from}`, { key });
      expect(answer.status, answer.text).to.equal(200);
      const page = answer.json() as { items: { unique_id: string }[]; next_cursor: string | null };
      keys.push(...page.items.map(({ unique_id: found }) => found));
      cursor = page.next_cursor;
      pages += 1;
    }
    return { keys, pages };
  }

  it('block a link of nobody on every mapper with the answer, and give it back', async () => {
    const link = await make();
    expect(await follow(link)).to.deep.equal([302, 302]);
    const blocked = await block(link, { blocked: true, reason: REASON });
    expect(await follow(link)).to.deep.equal([410, 410]);
    expect(blocked.status, blocked.text).to.equal(200);
    expect(blocked.json()).to.include({ unique_id: link, blocked: REASON, user_id: null, version: 2 });
    expect(blocked.json()).not.to.have.property('warnings');
    const back = await block(link, { blocked: false }, {}, elsewhere);
    expect(await follow(link)).to.deep.equal([302, 302]);
    expect(back.json()).to.include({ blocked: null, version: 3, long_url: 'https://example.com/' });
    const logged = lines.filter((line) => line.includes('an administrator has unblocked a link'));
    expect(logged).to.have.length(1);
    for (const part of [`"key":"${link}"`, `"by":"${admin.id}"`]) expect(logged[0]).to.include(part);
  });

  it('block twenty links one after another: no mapper follows one after its answer', async () => {
    for (let count = 0; count < 20; count += 1) {
      const link = await make();
      expect(await follow(link)).to.deep.equal([302, 302]);
      await block(link, { blocked: true, reason: REASON }, {}, count % 2 === 0 ? api : elsewhere);
      expect(await follow(link), `link ${count}`).to.deep.equal([410, 410]);
    }
  });

  it('give back the state that the owner had given it, which he cannot change meanwhile', async () => {
    const link = await make({ title: 'Hello', tags: ['a'] }, cookie);
    await api.call('PATCH', `/urls/${link}`, { cookie, body: { disabled: true } });
    await block(link, { blocked: true, reason: REASON });
    const seen = (await api.call('GET', `/urls/${link}`, { cookie })).json();
    expect(seen).to.deep.include({ blocked: REASON, disabled: true, title: 'Hello', tags: ['a'] });
    for (const body of [{ disabled: false }, { title: 'x' }, { long_url: 'https://example.org/' }]) {
      const refused = await api.call('PATCH', `/urls/${link}`, { cookie, body });
      expectProblem(refused, 403);
      expect(refused.json()['detail']).to.include(REASON);
    }
    const unblock = { cookie, body: { blocked: false } };
    expectProblem(await api.call('PATCH', `/admin/links/${link}`, unblock), 403);
    expect((await api.call('PATCH', `/urls/${link}`, { cookie, body: { blocked: null } })).status).to.equal(
      422,
    );
    const back = await block(link, { blocked: false });
    expect(back.json()).to.deep.include({
      blocked: null,
      disabled: true,
      title: 'Hello',
      tags: ['a'],
      user_id: String(ana.id),
    });
    expect(await follow(link)).to.deep.equal([410, 410]);
    await api.call('PATCH', `/urls/${link}`, { cookie, body: { disabled: false } });
    expect(await follow(link)).to.deep.equal([302, 302]);
  });

  it('block a deleted link, so that its owner restores a blocked one', async () => {
    const link = await make({}, cookie);
    await api.call('DELETE', `/urls/${link}`, { cookie });
    const blocked = await block(link, { blocked: true, reason: REASON });
    expect(blocked.json()['deleted_at']).to.be.a('string');
    expect((await api.call('POST', `/urls/${link}/restore`, { cookie })).status).to.equal(204);
    expect(await follow(link)).to.deep.equal([410, 410]);
    expect((await api.call('GET', `/urls/${link}`, { cookie })).json()).to.include({
      blocked: REASON,
      deleted_at: null,
    });
  });

  it('change the reason, and change nothing when it is the same', async () => {
    const link = await make();
    await block(link, { blocked: true, reason: REASON });
    const same = await block(link, { blocked: true, reason: REASON });
    expect(same.json()).to.include({ blocked: REASON, version: 2 });
    const other = await block(link, { blocked: true, reason: 'Malware.' });
    expect(other.json()).to.include({ blocked: 'Malware.', version: 3 });
  });

  it('learn for how long mappers may follow a link that have not heard of it', async () => {
    const link = await make();
    const redis = [{ name: 'redis-9', url: 'redis://127.0.0.1:1' }];
    const alone = await world.start({ stores: { redis } });
    const client = new ApiClient(() => alone.url, api.document);
    const blocked = await block(link, { blocked: true, reason: REASON }, {}, client);
    expect([blocked.status, blocked.json()['blocked']]).to.deep.equal([200, REASON]);
    const [warning] = blocked.json()['warnings'] as { reason: string }[];
    expect(warning?.reason).to.match(/^some servers may redirect by the old state for up to \d+ s$/);
    await alone.stop();
  });

  it('name the state that they saw by If-Match, and learn of another', async () => {
    const link = await make({}, cookie);
    const read = await api.call('GET', `/admin/links/${link}`, { key });
    const { etag = '' } = read.headers;
    expect(read.json()).to.include({ unique_id: link, user_id: String(ana.id) });
    const known = { key, headers: { 'if-none-match': etag } };
    expect((await api.call('GET', `/admin/links/${link}`, known)).status).to.equal(304);
    await api.call('PATCH', `/urls/${link}`, { cookie, body: { title: 'Later' } });
    const named = { headers: { 'if-match': etag } };
    const stale = await block(link, { blocked: true, reason: REASON }, named);
    expectProblem(stale, 412);
    expect(await follow(link)).to.deep.equal([302, 302]);
    const now = { headers: { 'if-match': stale.headers.etag } };
    expect((await block(link, { blocked: true, reason: REASON }, now)).status).to.equal(200);
    expect(await follow(link)).to.deep.equal([410, 410]);
  });

  it('must give a reason, and only for a block', async () => {
    const link = await make();
    for (const [body, field] of [
      [{ blocked: true }, 'reason'],
      [{ blocked: true, reason: null }, 'reason'],
      [{ blocked: true, reason: '' }, 'reason'],
      [{ blocked: true, reason: 'a'.repeat(501) }, 'reason'],
      [{ blocked: true, reason: 'a\0b' }, 'reason'],
      [{ blocked: false, reason: REASON }, 'reason'],
      [{ blocked: 'yes', reason: REASON }, 'blocked'],
      [{ reason: REASON }, 'blocked'],
      [{ blocked: true, reason: REASON, disabled: true }, 'disabled'],
    ] as const)
      expect(expectProblem(await block(link, body), 422)[0]?.field, JSON.stringify(body)).to.equal(field);
    for (const unknown of ['none', 'a', 'a%20b', '%00abc'])
      expectProblem(await block(unknown, { blocked: true, reason: REASON }), 404);
    expect(await follow(link)).to.deep.equal([302, 302]);
  });

  describe('find', () => {
    let bert: Person;
    let bank: string[];

    before(async function () {
      this.timeout(60_000);
      bert = await people.person();
      const his = await people.session(bert);
      bank = [
        await make({ long_url: 'https://bank.evil.example/login' }),
        await make({ long_url: 'http://evil.example:8080/?bank' }, his),
        await make({ long_url: 'https://evil.example./#x', title: 'My Bank' }, his),
      ];
      for (const long_url of ['https://evil.example.org/', 'https://good.example/evil.example/'])
        await make({ long_url });
    });

    it('links by the domain of their target, whoever made them', async () => {
      for (const host of ['evil.example', 'EVIL.example', '*.evil.example', 'evil.example.'])
        expect((await find(`host=${host}`)).keys, host).to.have.members(bank);
      expect((await find('host=bank.evil.example')).keys).to.deep.equal([bank[0]]);
      for (const host of ['evil', 'org', 'xample', 'e_il.example'])
        expect((await find(`host=${host}`)).keys, host).not.to.include.members(bank.slice(0, 1));
      expect((await find('host=[2001:db8::1]')).keys).to.deep.equal([]);
    });

    it('links by a part of title, target or key', async () => {
      expect((await find('q=BANK&host=example')).keys).to.have.members(bank);
      expect((await find(`q=${bank[0]}`)).keys).to.deep.equal([bank[0]]);
      for (const q of ['%C3%BC', '%F0%9F%99%82', "'", '%25'])
        expect((await find(`q=${q}&host=evil.example`)).keys, q).to.deep.equal([]);
    });

    it('links of one owner, by id or email address, newest first', async () => {
      const newest = bank.slice(1).toReversed();
      for (const owner of [String(bert.id), bert.email, bert.email.toUpperCase()])
        expect((await find(`owner=${encodeURIComponent(owner)}`)).keys, owner).to.deep.equal(newest);
      expect((await find(`owner=${bert.id}&host=evil.example&q=login`)).keys).to.deep.equal([]);
      expect((await find(`owner=${bert.id}&limit=1`)).keys).to.deep.equal(newest);
      expect((await find('owner=7')).keys).to.deep.equal([]);
    });

    it('a link by its key', async () => {
      const [link = '', his = ''] = bank;
      expect(await find(`unique_id=${link}`)).to.deep.equal({ keys: [link], pages: 1 });
      expect((await find(`unique_id=${his}&owner=${bert.id}`)).keys).to.deep.equal([his]);
      expect((await find(`unique_id=${link}&owner=${bert.id}`)).keys).to.deep.equal([]);
      expect((await find(`unique_id=${link}&host=other.example`)).keys).to.deep.equal([]);
      for (const none of ['none', '%25', "'"])
        expect((await find(`unique_id=${none}`)).keys).to.deep.equal([]);
    });

    it('links by their state and time', async () => {
      const [link = '', his = '', third = ''] = bank;
      await block(link, { blocked: true, reason: REASON });
      await api.call('DELETE', `/urls/${third}`, { key });
      const of = async (state: string): Promise<string[]> =>
        (await find(`host=evil.example&state=${state}`)).keys;
      expect(await of('blocked')).to.deep.equal([link]);
      expect(await of('disabled')).to.deep.equal([link]);
      expect(await of('deleted')).to.deep.equal([third]);
      expect(await of('active')).to.deep.equal([his]);
      expect(await of('expired')).to.deep.equal([]);
      expect(await of('all')).to.have.members(bank);
      expect((await find('host=evil.example&to=2020-01-01T00:00:00Z')).keys).to.deep.equal([]);
      expect((await find('host=evil.example&from=2020-01-01T00:00:00Z')).keys).to.have.members(bank);
      await block(link, { blocked: false });
      await api.call('POST', `/urls/${third}/restore`, { key });
    });

    it('all links, each once, in pages', async () => {
      const [first, second] = world.urls;
      const stored = await Promise.all(
        [first, second].map(async (db) => db?.sql.query<never>('SELECT unique_id FROM urls')),
      );
      const all = stored.flatMap((rows) => (rows?.[0] ?? []) as { unique_id: string }[]);
      const { keys, pages } = await find('limit=7');
      expect(keys).to.have.members(all.map(({ unique_id: one }) => one));
      expect(pages).to.be.at.least(all.length / 7);
    });

    it('nothing with parameters that are wrong, each by its name', async () => {
      for (const [query, field] of [
        ['host=', 'host'],
        ['host=a%20b', 'host'],
        ['host=example.com/x', 'host'],
        ['host=example.com:80', 'host'],
        ['host=a@b', 'host'],
        ['host=%25', 'host'],
        ['owner=nobody', 'owner'],
        ['owner=nobody@example.com', 'owner'],
        ['state=gone', 'state'],
        ['from=yesterday', 'from'],
        ['limit=0', 'limit'],
        ['cursor=x', 'cursor'],
        ['key=abc', 'key'],
        [`unique_id=${'a'.repeat(256)}`, 'unique_id'],
        ['unique_id=%C3%BC', 'unique_id'],
        ['unique_id=a%20b', 'unique_id'],
        ['unique_id=%00', 'unique_id'],
        ['unique_id=', 'unique_id'],
        ['owner=%C3%BC', 'owner'],
        ['host=%00', 'host'],
        ['q=%00', 'q'],
      ] as const)
        expect(
          expectProblem(await api.call('GET', `/admin/links?${query}`, { key }), 422)[0]?.field,
          query,
        ).to.equal(field);
    });

    it('nothing with the cursor of another question', async () => {
      const page = await api.call('GET', '/admin/links?limit=1', { key });
      const cursor = String(page.json()['next_cursor']);
      expect((await api.call('GET', `/admin/links?cursor=${cursor}`, { key })).status).to.equal(200);
      for (const query of ['state=active', 'host=evil.example', `owner=${bert.id}`, 'q=a'])
        expectProblem(await api.call('GET', `/admin/links?${query}&cursor=${cursor}`, { key }), 422);
      const own = await api.call('GET', `/urls?cursor=${cursor}`, { cookie });
      expectProblem(own, 422);
    });
  });
});
