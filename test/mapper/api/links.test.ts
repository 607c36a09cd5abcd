import { expect } from 'chai';
import { send, type Answer } from '../client.ts';
import type { TestMapper, World } from '../world.ts';
import { ApiClient, problemKind } from './api-client.ts';
import type { People, Person } from './people.ts';
import { TARGET, useApi } from './use-api.ts';

describe('own links by the API', () => {
  const fixture = useApi({ keys: 2_000 });
  const { api, makeLink } = fixture;
  let world: World;
  let mapper: TestMapper;
  let people: People;
  let ana: Person;
  let cookie: string;
  let foreign: string;

  before(async () => {
    ({ world, mapper, people } = fixture);
    ana = await people.person();
    cookie = await people.session(ana);
    foreign = await people.session(await people.person());
  });

  async function make(fields: object = {}): Promise<string> {
    return makeLink(cookie, fields);
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

  it('names each field of own links that is wrong', async () => {
    const wrong = await api.call('POST', '/urls', {
      cookie,
      body: { long_url: TARGET, title: 1, tags: 'a' },
    });
    expect(wrong.json()['errors']).to.deep.equal([
      { field: 'title', reason: 'must be a string' },
      { field: 'tags', reason: 'must be a list of texts' },
    ]);
  });
});
