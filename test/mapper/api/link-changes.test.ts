import { expect } from 'chai';
import { slotOf } from '../../../db/keyspace/placement.ts';
import { send } from '../client.ts';
import type { World } from '../world.ts';
import { ApiClient, problemKind } from './api-client.ts';
import type { People } from './people.ts';
import { useApi } from './use-api.ts';

describe('changes of own links', () => {
  const fixture = useApi({ keys: 2_000 });
  const { api, makeLink } = fixture;
  let world: World;
  let people: People;
  let cookie: string;

  before(async () => {
    ({ world, people } = fixture);
    cookie = await people.session(await people.person());
  });

  async function make(fields: object = {}): Promise<string> {
    return makeLink(cookie, fields);
  }

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
    this.timeout(60_000);
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
    this.timeout(60_000);
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
    this.timeout(60_000);
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
});
