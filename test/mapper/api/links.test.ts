import { expect } from 'chai';
import { slotOf } from '../../../db/keyspace/placement.ts';
import { createWorld, type TestMapper, type World } from '../world.ts';
import { send, type Answer } from '../client.ts';
import { ApiClient, problemKind } from './api-client.ts';
import { People, type Person } from './people.ts';

const TARGET = 'https://example.com/first';

describe('own links by the API', () => {
  let world: World;
  let mapper: TestMapper;
  let people: People;
  let ana: Person;
  let bert: Person;
  let cookie: string;
  let foreign: string;
  const api = new ApiClient(() => mapper.url);

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 2_000, hasUsers: true });
    mapper = await world.start();
    people = new People(world.usersUrl);
    [ana, bert] = [await people.person(), await people.person()];
    cookie = await people.session(ana);
    foreign = await people.session(bert);
  });

  after(async function () {
    this.timeout(20_000);
    await people[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  async function make(fields: object = {}): Promise<string> {
    const answer = await api.call('POST', '/urls', { cookie, body: { long_url: TARGET, ...fields } });
    expect(answer.status, answer.text).to.equal(201);
    return String(answer.json()['unique_id']);
  }

  async function follow(key: string): Promise<Answer> {
    return send('GET', `${mapper.url}/${key}`, { headers: { host: 'localhost' } });
  }

  it('reads a link, with a tag of its state', async () => {
    const key = await make();
    const answer = await api.call('GET', `/urls/${key}`, { cookie });
    expect(answer.status).to.equal(200);
    expect(answer.json()).to.include({ unique_id: key, long_url: TARGET, title: null, version: 1 });
    const { etag = '' } = answer.headers;
    expect(etag).to.match(/^"1-[0-9a-f]{8}"$/);
    for (const named of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const same = await api.call('GET', `/urls/${key}`, { cookie, headers: { 'if-none-match': named } });
      expect([same.status, same.text, same.headers.etag], named).to.deep.equal([304, '', etag]);
    }
    const other = await api.call('GET', `/urls/${key}`, { cookie, headers: { 'if-none-match': '"x"' } });
    expect(other.status).to.equal(200);
  });

  it('changes the fields that are named, and clears those that are null', async () => {
    const key = await make();
    await follow(key);
    const changed = await api.call('PATCH', `/urls/${key}`, {
      cookie,
      body: { long_url: 'https://example.com/ÿ', title: 'Größe 💡', tags: ['b', 'a', 'b'] },
    });
    expect(changed.status, changed.text).to.equal(200);
    expect(changed.json()).to.deep.include({
      long_url: 'https://example.com/%C3%BF',
      title: 'Größe 💡',
      tags: ['a', 'b'],
      version: 2,
    });
    expect((await follow(key)).headers.location).to.equal('https://example.com/%C3%BF');
    const cleared = await api.call('PATCH', `/urls/${key}`, {
      cookie,
      body: { title: null, tags: null, expiration_date: '2030-01-01T00:00:00Z' },
    });
    expect(cleared.json()).to.deep.include({
      title: null,
      tags: [],
      expiration_date: '2030-01-01T00:00:00.000Z',
      long_url: 'https://example.com/%C3%BF',
    });
    const off = await api.call('PATCH', `/urls/${key}`, { cookie, body: { disabled: true } });
    expect(off.json()['disabled']).to.equal(true);
    expect((await follow(key)).status).to.equal(410);
    const unchanged = await api.call('PATCH', `/urls/${key}`, { cookie, body: { disabled: true } });
    expect(unchanged.json()['version']).to.equal(off.json()['version']);
    await api.call('PATCH', `/urls/${key}`, { cookie, body: { disabled: null } });
    expect((await follow(key)).status).to.equal(302);
  });

  it('refuses fields that are wrong, each by its name', async () => {
    const key = await make();
    const wrong: readonly (readonly [object, string])[] = [
      [{ long_url: null }, 'long_url'],
      [{ long_url: 'ftp://example.com/' }, 'long_url'],
      [{ long_url: 'http://127.0.0.1/' }, 'long_url'],
      [{ title: 'x'.repeat(201) }, 'title'],
      [{ title: 'a\0b' }, 'title'],
      [{ title: '\ud800' }, 'title'],
      [{ title: 7 }, 'title'],
      [{ tags: 'a' }, 'tags'],
      [{ tags: [''] }, 'tags.0'],
      [{ tags: ['x'.repeat(51)] }, 'tags.0'],
      [{ tags: Array.from({ length: 21 }, (_, index) => `${index}`) }, 'tags'],
      [{ expiration_date: '2020-01-01T00:00:00Z' }, 'expiration_date'],
      [{ disabled: 'yes' }, 'disabled'],
      [{ blocked: 'x' }, 'blocked'],
      [{ unique_id: 'other' }, 'unique_id'],
    ];
    for (const [body, field] of wrong) {
      const answer = await api.call('PATCH', `/urls/${key}`, { cookie, body });
      expect(answer.status, answer.text).to.equal(422);
      expect(answer.json()['errors']).to.deep.include({
        field,
        reason: (answer.json()['errors'] as { reason: string }[])[0]?.reason,
      });
    }
    const { version } = (await api.call('GET', `/urls/${key}`, { cookie })).json();
    expect(version).to.equal(1);
  });

  it('deletes a link, once and again', async () => {
    const key = await make();
    expect((await follow(key)).status).to.equal(302);
    for (let time = 0; time < 2; time += 1)
      expect((await api.call('DELETE', `/urls/${key}`, { cookie })).status).to.equal(204);
    expect((await follow(key)).status).to.equal(410);
    const deleted = await api.call('GET', `/urls/${key}`, { cookie });
    expect(deleted.json()['deleted_at']).to.be.a('string');
    const changed = await api.call('PATCH', `/urls/${key}`, { cookie, body: { title: 'x' } });
    expect([changed.status, problemKind(changed)]).to.deep.equal([410, 'link-deleted']);
  });

  it('answers for the link of another, or of nobody, as for one that does not exist; not to an administrator', async () => {
    const admin = await people.session(await people.person({ isAdmin: true }));
    const nobodys = String(
      (await api.call('POST', '/urls', { body: { long_url: TARGET } })).json()['unique_id'],
    );
    for (const key of [await make(), nobodys]) {
      for (const [method, body] of [['GET'], ['PATCH', { title: 'mine now' }], ['DELETE']] as const) {
        const headers = { 'x-request-id': 'the-same' };
        const [theirs, none, never] = await Promise.all(
          [key, 'nothing1', `x${'é'.repeat(10)}`].map(async (path) =>
            api.call(method, `/urls/${encodeURIComponent(path)}`, {
              cookie: foreign,
              headers,
              ...(body && { body }),
            }),
          ),
        );
        expect(theirs?.status).to.equal(404);
        for (const other of [none, never]) {
          expect(other?.text).to.equal(theirs?.text);
          expect({ ...other?.headers, date: '' }).to.deep.equal({ ...theirs?.headers, date: '' });
        }
      }
      expect((await api.call('GET', `/urls/${key}`, { cookie: admin })).status).to.equal(200);
      const changed = await api.call('PATCH', `/urls/${key}`, { cookie: admin, body: { title: 'checked' } });
      expect(changed.json()['title']).to.equal('checked');
      expect((await api.call('DELETE', `/urls/${key}`, { cookie: admin })).status).to.equal(204);
    }
  });

  it('makes a link with title and tags, and answers with the whole link, in the same bytes on both ways', async () => {
    const { key } = await people.key(ana, ['links:create']);
    const koa = await world.start({ hasFastPaths: false });
    const fields = { title: 'Größe 💡', tags: ['b', 'a', 'b'] };
    const [fast, slow] = await Promise.all(
      [mapper, koa].map(async ({ url }) => {
        const client = new ApiClient(() => url, api.document);
        // The second one finds its identity in memory.
        await client.call('POST', '/urls', { key, body: { long_url: TARGET } });
        return client.call('POST', '/urls', { key, body: { long_url: TARGET, ...fields } });
      }),
    );
    expect(fast?.json()).to.deep.include({
      title: 'Größe 💡',
      tags: ['a', 'b'],
      version: 1,
      long_url: TARGET,
    });
    const read = await api.call('GET', `/urls/${String(fast?.json()['unique_id'])}`, { cookie });
    expect(read.json()).to.deep.equal(fast?.json());
    expect(fast?.text).to.match(/^[ -~]*$/);
    const ordered = (answer: Answer | undefined): string[] => Object.keys(answer?.json() ?? {});
    expect(ordered(fast)).to.deep.equal(ordered(slow));
    const empty = await api.call('POST', '/urls', { key, body: { long_url: TARGET, tags: null } });
    expect(empty.json()).to.deep.include({ tags: [], title: null });
    const plain = await api.call('POST', '/urls', { key, body: { long_url: TARGET } });
    expect(ordered(plain)).to.deep.equal([
      'short_url',
      'unique_id',
      'long_url',
      'created_at',
      'expiration_date',
    ]);
    const loose = await api.call('POST', '/urls', {
      key,
      body: { long_url: TARGET, custom_alias: 'a-loose-end-', title: 'x' },
    });
    expect(loose.json()['warnings']).to.have.lengthOf(1);
  });

  it('knows title and tags only of requests whose sender is known', async () => {
    const answer = await api.call('POST', '/urls', { body: { long_url: TARGET, title: 'x', tags: [] } });
    expect(answer.status).to.equal(422);
    expect(answer.json()['errors']).to.deep.equal([
      { field: 'title', reason: 'unknown field' },
      { field: 'tags', reason: 'unknown field' },
    ]);
    const wrong = await api.call('POST', '/urls', {
      cookie,
      body: { long_url: TARGET, title: 1, tags: 'a' },
    });
    expect(wrong.json()['errors']).to.deep.equal([
      { field: 'title', reason: 'must be a string' },
      { field: 'tags', reason: 'must be a list of texts' },
    ]);
  });

  it('restores a deleted link, which is followed on every mapper at once', async () => {
    const other = await world.start();
    const key = await make({ title: 'kept', tags: ['kept'] });
    await api.call('DELETE', `/urls/${key}`, { cookie });
    const there = async (): Promise<number> => (await send('GET', `${other.url}/${key}`)).status;
    expect(await there()).to.equal(410);
    for (let time = 0; time < 2; time += 1)
      expect((await api.call('POST', `/urls/${key}/restore`, { cookie })).status).to.equal(204);
    expect(await there()).to.equal(302);
    const restored = await api.call('GET', `/urls/${key}`, { cookie });
    expect(restored.json()).to.deep.include({ title: 'kept', tags: ['kept'], deleted_at: null, version: 3 });
    const stale = await api.call('DELETE', `/urls/${key}`, {
      cookie,
      headers: { 'if-match': '"1-00000000"' },
    });
    expect([stale.status, stale.headers.etag]).to.deep.equal([412, restored.headers.etag]);
  });

  it('follows the new target on another mapper as soon as the change is answered', async function () {
    this.timeout(20_000);
    const other = await world.start();
    const key = await make();
    for (let edit = 0; edit < 100; edit += 1) {
      const target = `https://example.com/edit-${edit}`;
      const changed = await api.call('PATCH', `/urls/${key}`, { cookie, body: { long_url: target } });
      expect(changed.json()).to.not.have.property('warnings');
      const answer = await send('GET', `${other.url}/${key}`);
      expect(answer.headers.location).to.equal(target);
    }
  });

  it('of 200 concurrent changes with If-Match, exactly the winners happen, each once', async function () {
    this.timeout(30_000);
    const other = await world.start();
    const there = new ApiClient(() => other.url, api.document);
    const key = await make();
    const etag = String((await api.call('GET', `/urls/${key}`, { cookie })).headers.etag);
    const first = await Promise.all(
      Array.from({ length: 200 }, async (_, index) =>
        (index % 2 === 0 ? api : there).call('PATCH', `/urls/${key}`, {
          cookie,
          body: { title: `change ${index}` },
          headers: { 'if-match': etag },
        }),
      ),
    );
    const winners = first.filter(({ status }) => status === 200);
    expect(winners).to.have.lengthOf(1);
    expect(new Set(first.map(({ status }) => status))).to.deep.equal(new Set([200, 412]));
    // Now each repeats its change from the newest state until it wins: no change is lost.
    let wins = 0;
    const append = async (client: ApiClient, name: string): Promise<void> => {
      for (;;) {
        const now = await client.call('GET', `/urls/${key}`, { cookie });
        const { status } = await client.call('PATCH', `/urls/${key}`, {
          cookie,
          body: { tags: [...(now.json()['tags'] as string[]), name] },
          headers: { 'if-match': String(now.headers.etag) },
        });
        if (status === 200) {
          wins += 1;
          return;
        }
        expect(status).to.equal(412);
      }
    };
    await Promise.all(
      Array.from({ length: 20 }, async (_, i) => append(i % 2 === 0 ? api : there, `tag-${i}`)),
    );
    const last = await api.call('GET', `/urls/${key}`, { cookie });
    expect(wins).to.equal(20);
    expect(last.json()['tags']).to.have.lengthOf(20);
    expect(last.json()['version']).to.equal(1 + 1 + 20);
  });

  it('warns when some mappers may not have heard of a change', async () => {
    const dead = { name: 'redis-9', url: 'redis://127.0.0.1:1' };
    const deaf = await world.start({ stores: { redis: [dead] } });
    const there = new ApiClient(() => deaf.url, api.document);
    const key = await make();
    const changed = await there.call('PATCH', `/urls/${key}`, { cookie, body: { title: 'not heard' } });
    expect(changed.status, changed.text).to.equal(200);
    const [warning] = changed.json()['warnings'] as { field: string; reason: string }[];
    expect(warning?.reason).to.match(/old state for up to \d+ s$/);
    const same = await there.call('PATCH', `/urls/${key}`, { cookie, body: { title: 'not heard' } });
    expect(same.json()).to.have.property('warnings');
    const gone = await there.call('DELETE', `/urls/${key}`, { cookie });
    expect([gone.status, Number(gone.headers['x-others-may-lag']) > 0]).to.deep.equal([204, true]);
    const back = await there.call('POST', `/urls/${key}/restore`, { cookie });
    expect([back.status, Number(back.headers['x-others-may-lag']) > 0]).to.deep.equal([204, true]);
  });

  it('is 503 and names the urls server that is away; its other links go on', async function () {
    this.timeout(20_000);
    const [first, second] = world.urls;
    if (first === undefined || second === undefined) throw new Error('two servers are needed');
    const away = { ...second, url: second.url.replace(/:\d+\//, ':1/') };
    const half = await world.start({ stores: { urlsDbs: [first, away] } });
    const there = new ApiClient(() => half.url, api.document);
    const made = await Promise.all(Array.from({ length: 12 }, async () => make()));
    for (const path of ['/urls', '/users/me/tags']) {
      const list = await there.call('GET', path, { cookie });
      expect([list.status, problemKind(list)]).to.deep.equal([503, 'store-down']);
      expect(list.json()['detail']).to.include(second.name);
    }
    const statuses = new Set<number>();
    for (const key of made) {
      const expected = first.slots.includes(slotOf(key)) ? 200 : 503;
      const read = await there.call('GET', `/urls/${key}`, { cookie });
      const changed = await there.call('PATCH', `/urls/${key}`, { cookie, body: { title: 'x' } });
      expect([read.status, changed.status]).to.deep.equal([expected, expected]);
      statuses.add(expected);
    }
    expect(statuses).to.deep.equal(new Set([200, 503]));
  });

  describe('in lists', () => {
    let owner: string;
    const keys: string[] = [];

    before(async function () {
      this.timeout(20_000);
      owner = await people.session(await people.person());
      for (let index = 0; index < 25; index += 1) {
        const answer = await api.call('POST', '/urls', {
          cookie: owner,
          body: {
            long_url: `${TARGET}/${index}`,
            title: `Link ${index}`,
            tags: [index % 2 === 0 ? 'even' : 'odd'],
          },
        });
        keys.unshift(String(answer.json()['unique_id']));
      }
    });

    async function pages(path: string, query: string): Promise<Record<string, unknown>[][]> {
      const found: Record<string, unknown>[][] = [];
      let cursor: string | null = '';
      while (cursor !== null) {
        const place: string = cursor === '' ? '' : `&cursor=${cursor}`;
        const answer = await api.call('GET', `${path}?${query}${place}`, { cookie: owner });
        expect(answer.status, answer.text).to.equal(200);
        found.push(answer.json()['items'] as Record<string, unknown>[]);
        cursor = answer.json()['next_cursor'] as string | null;
      }
      return found;
    }

    it('gives each link exactly once, newest first, as GET gives it', async () => {
      const found = (await pages('/urls', 'limit=10')).flat();
      expect(new Set(found.map(({ unique_id }) => unique_id))).to.deep.equal(new Set(keys));
      expect(found).to.have.lengthOf(keys.length);
      const times = found.map(({ created_at }) => String(created_at));
      expect(times).to.deep.equal(times.toSorted().reverse());
      const [newest] = found;
      const one = await api.call('GET', `/urls/${String(newest?.['unique_id'])}`, { cookie: owner });
      expect(newest).to.deep.equal(one.json());
    });

    it('chooses by text, tag, state and time', async () => {
      const count = async (query: string): Promise<number> => (await pages('/urls', query)).flat().length;
      expect(await count('tag=even')).to.equal(13);
      expect(await count('q=LINK%201')).to.equal(11);
      await api.call('PATCH', `/urls/${keys[0]}`, { cookie: owner, body: { disabled: true } });
      await api.call('DELETE', `/urls/${keys[1]}`, { cookie: owner });
      expect(await count('state=disabled')).to.equal(1);
      expect(await count('state=deleted')).to.equal(1);
      expect(await count('state=expired')).to.equal(0);
      expect(await count('state=active')).to.equal(23);
      expect(await count('state=all')).to.equal(25);
      expect(await count('state=all&from=2000-01-01T00:00:00Z&to=2001-01-01T00:00:00%2B02:00')).to.equal(0);
      expect(await count('state=all&from=0001-01-01T00:00:00Z')).to.equal(25);
    });

    it('refuses parameters that are wrong, and cursors that are made up or of another list', async () => {
      const page = await api.call('GET', '/urls?limit=2', { cookie: owner });
      const cursor = String(page.json()['next_cursor']);
      const wrong: readonly (readonly [string, string, string?])[] = [
        ['limit=0', 'limit'],
        ['limit=201', 'limit'],
        ['limit=1e2', 'limit'],
        ['state=broken', 'state'],
        ['from=yesterday', 'from'],
        ['to=2026-02-30T00:00:00Z', 'to'],
        ['tag=', 'tag'],
        ['q=%00', 'q'],
        ['colour=red', 'colour'],
        ['limit=1&limit=2', 'limit'],
        ['cursor=made-up', 'cursor'],
        [`cursor=${cursor}&state=all`, 'cursor'],
        [`cursor=${cursor}`, 'cursor', foreign],
      ];
      for (const [query, field, who = owner] of wrong) {
        const answer = await api.call('GET', `/urls?${query}`, { cookie: who });
        expect(answer.status, query).to.equal(422);
        expect((answer.json()['errors'] as { field: string }[])[0]?.field, query).to.equal(field);
      }
      const tags = await api.call('GET', '/users/me/tags?cursor=made-up', { cookie: owner });
      expect(tags.status).to.equal(422);
    });

    it('counts tags, renames them and makes two into one', async () => {
      const links = async (): Promise<unknown[]> => (await pages('/users/me/tags', 'limit=1')).flat();
      expect(await links()).to.deep.equal([
        { tag: 'even', links: 13 },
        { tag: 'odd', links: 11 },
      ]);
      const renamed = await api.call('PATCH', '/users/me/tags/odd', {
        cookie: owner,
        body: { tag: 'a/b ü' },
      });
      expect(renamed.json()).to.deep.equal({ tag: 'a/b ü', links: 12, is_done: true });
      const merged = await api.call('PATCH', `/users/me/tags/${encodeURIComponent('a/b ü')}`, {
        cookie: owner,
        body: { tag: 'even' },
      });
      expect(merged.json()['links']).to.equal(12);
      expect(await links()).to.deep.equal([{ tag: 'even', links: 24 }]);
      const unknown = await api.call('PATCH', '/users/me/tags/odd', { cookie: owner, body: { tag: 'x' } });
      expect(unknown.status).to.equal(404);
    });
  });
});
