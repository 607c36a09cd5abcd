import { expect } from 'chai';
import { TARGET, useApi } from './use-api.ts';

describe('lists of own links', () => {
  const fixture = useApi();
  const { api } = fixture;
  let owner: string;
  let foreign: string;
  const keys: string[] = [];

  before(async function () {
    this.timeout(60_000);
    const { people } = fixture;
    foreign = await people.session(await people.person());
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
