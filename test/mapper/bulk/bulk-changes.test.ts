import { expect } from 'chai';
import { useApi, TARGET } from '../api/use-api.ts';
import { expectProblem, send, type Answer } from '../client.ts';
import { expectAllMade, itemsOf, kindOf, sendLines } from './bulk-fixture.ts';

describe('PATCH /urls/bulk and POST /urls/bulk/delete', () => {
  const fixture = useApi({ keys: 4_000 });
  const { api, makeLink } = fixture;

  async function anna(): Promise<{ cookie: string }> {
    return { cookie: await fixture.people.session(await fixture.people.person()) };
  }

  async function change(who: { cookie: string }, ids: readonly string[], set: object): Promise<Answer> {
    return api.call('PATCH', '/urls/bulk', { ...who, body: { unique_ids: ids, set } });
  }

  async function remove(who: { cookie: string }, ids: readonly string[]): Promise<Answer> {
    return api.call('POST', '/urls/bulk/delete', { ...who, body: { unique_ids: ids } });
  }

  async function statusOf(key: string): Promise<[status: number, location: string | undefined]> {
    const { status, headers } = await send('GET', `${fixture.mapper.url}/${key}`);
    return [status, headers.location];
  }

  it('changes links in the same way, and answers each as it is now', async () => {
    const who = await anna();
    const keys = [await makeLink(who.cookie), await makeLink(who.cookie), await makeLink(who.cookie)];
    for (const key of keys) expect(await statusOf(key)).to.deep.equal([302, TARGET]);
    const answer = await change(who, keys, { long_url: 'https://example.com/moved', tags: ['b', 'a'] });
    const items = itemsOf(answer);
    expect(items.map(({ index, unique_id, status }) => [index, unique_id, status])).to.deep.equal(
      keys.map((key, index) => [index, key, 200]),
    );
    for (const { link } of items)
      expect(link).to.deep.include({ long_url: 'https://example.com/moved', tags: ['a', 'b'], version: 2 });
    for (const key of keys) expect(await statusOf(key)).to.deep.equal([302, 'https://example.com/moved']);
  });

  it('deletes links, and again, and they can be restored', async () => {
    const who = await anna();
    const keys = [await makeLink(who.cookie), await makeLink(who.cookie)];
    for (const key of keys) await statusOf(key);
    for (let time = 0; time < 2; time += 1) {
      const items = itemsOf(await remove(who, keys));
      expect(items).to.deep.equal(keys.map((unique_id, index) => ({ index, unique_id, status: 204 })));
    }
    for (const key of keys) expect((await statusOf(key))[0]).to.equal(410);
    const restored = await api.call('POST', `/urls/${keys[0]}/restore`, who);
    expect(restored.status).to.equal(204);
    expect(await statusOf(keys[0] ?? '')).to.deep.equal([302, TARGET]);
  });

  it('answers each link by itself: unknown, another user’s, deleted, blocked, named twice, no key', async () => {
    const [who, other] = [await anna(), await anna()];
    const [mine, deleted, blocked] = [
      await makeLink(who.cookie),
      await makeLink(who.cookie),
      await makeLink(who.cookie),
    ];
    const theirs = await makeLink(other.cookie);
    await api.call('DELETE', `/urls/${deleted}`, who);
    for (const { sql } of fixture.world.urls)
      await sql.query(
        `UPDATE urls SET rules = '{"blocked":"phishing"}', ruled_url = original_url, original_url = NULL
           WHERE unique_id = ?`,
        [blocked],
      );
    const keys = [mine, 'unknown1', theirs, deleted, blocked, mine, 'no key', ''];
    const items = itemsOf(await change(who, keys, { title: 'Changed' }));
    expect(items.map((item) => [item.status, kindOf(item)])).to.deep.equal([
      [200, undefined],
      [404, 'unknown-key'],
      [404, 'unknown-key'],
      [410, 'link-deleted'],
      [403, 'change-blocked'],
      [200, undefined],
      [404, 'unknown-key'],
      [404, 'unknown-key'],
    ]);
    // Nobody learns that there is a link of another.
    expect(items[2]?.problem).to.deep.equal(items[1]?.problem);
    expect(items[4]?.problem?.detail).to.include('phishing');
    // Once for both.
    expect([items[0]?.link?.['version'], items[5]?.link?.['version']]).to.deep.equal([2, 2]);
    const read = await api.call('GET', `/urls/${theirs}`, other);
    expect(read.json()).to.include({ title: null, version: 1 });
    const removed = itemsOf(await remove(who, keys));
    expect(removed.map(({ status }) => status)).to.deep.equal([204, 404, 404, 204, 204, 204, 404, 404]);
  });

  it('refuses a change that no link can have, and changes nothing', async () => {
    const who = await anna();
    const key = await makeLink(who.cookie);
    const cases: [body: object, fields: string[]][] = [
      [{}, ['unique_ids', 'set']],
      [{ unique_ids: [], set: {} }, ['unique_ids']],
      [{ unique_ids: Array.from({ length: 1_001 }, () => 'a'), set: {} }, ['unique_ids']],
      [{ unique_ids: [5], set: {} }, ['unique_ids.0']],
      [{ unique_ids: [key], set: { long_url: 'no url' } }, ['set.long_url']],
      [{ unique_ids: [key], set: { title: 5, surprise: 1 } }, ['set.title', 'set.surprise']],
      [{ unique_ids: [key], set: {}, more: 1 }, ['more']],
    ];
    for (const [body, fields] of cases) {
      const answer = await api.call('PATCH', '/urls/bulk', { ...who, body });
      expect(expectProblem(answer, 422).map(({ field }) => field)).to.deep.equal(fields);
    }
    expect((await api.call('GET', `/urls/${key}`, who)).json()).to.include({ version: 1 });
  });

  it('changes and deletes 1,000 links in some seconds', async () => {
    const who = await anna();
    const made = await sendLines(
      api,
      who,
      Array.from({ length: 1_000 }, () => ({ long_url: TARGET })),
    );
    const keys = expectAllMade(made.items, 1_000);
    const startedMs = performance.now();
    const items = itemsOf(await change(who, keys, { title: 'All of them' }));
    expect(items.every(({ status }) => status === 200)).to.equal(true);
    const removed = itemsOf(await remove(who, keys));
    expect(removed.every(({ status }) => status === 204)).to.equal(true);
    // Each by itself, with its announcement, would take some 3 ms; this machine may be busy.
    expect(performance.now() - startedMs).to.be.below(20_000);
    expect((await api.call('GET', '/urls?state=deleted&limit=200', who)).json()['items']).to.have.lengthOf(
      200,
    );
  }).timeout(60_000);

  it('takes 1,000 keys of the greatest length', async () => {
    const who = await anna();
    const keys = Array.from({ length: 1_000 }, (_, index) => `${index}`.padEnd(64, 'x'));
    const items = itemsOf(await remove(who, keys));
    expect(items.every(({ status }) => status === 404)).to.equal(true);
  });
});
