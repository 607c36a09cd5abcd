import { expect } from 'chai';
import { expectProblem } from '../client.ts';
import { ranMs } from '../../ran-ms.ts';
import { until } from '../../until.ts';
import { createWorld, type TestMapper, type World } from '../world.ts';
import { ApiClient } from './api-client.ts';
import { People, type Person } from './people.ts';

interface Page {
  readonly items: readonly Readonly<Record<string, unknown>>[];
  readonly next_cursor: string | null;
}

describe('administrators', () => {
  let world: World;
  let mappers: readonly TestMapper[];
  let people: People;
  let admin: Person;
  let key: string;
  const api = new ApiClient(() => mappers[0]?.url ?? '');
  const elsewhere = new ApiClient(() => mappers[1]?.url ?? '');

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 100, hasUsers: true });
    mappers = [await world.start(), await world.start()];
    people = new People(world.usersUrl);
    admin = await people.person({ isAdmin: true });
    ({ key } = await people.key(admin, ['admin']));
  });

  after(async function () {
    this.timeout(60_000);
    await people[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  async function pages(path: string): Promise<Page[]> {
    const seen: Page[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const glue = path.includes('?') ? '&' : '?';
      const answer = await api.call('GET', cursor === '' ? path : `${path}${glue}cursor=${cursor}`, { key });
      expect(answer.status, answer.text).to.equal(200);
      const page = answer.json() as unknown as Page;
      seen.push(page);
      cursor = page.next_cursor;
    }
    return seen;
  }

  it('list all users, newest first, each once', async () => {
    const made: bigint[] = [];
    for (let count = 0; count < 7; count += 1) made.push((await people.person()).id);
    const listed = await pages('/admin/users?limit=3');
    expect(listed.map(({ items }) => items.length)).to.deep.equal([3, 3, 2]);
    expect(listed.flatMap(({ items }) => items.map((user) => user['user_id']))).to.deep.equal([
      ...made.toSorted((a, b) => Number(b - a)).map(String),
      String(admin.id),
    ]);
  });

  it('find users by the beginning of their email, where % and _ are letters', async () => {
    const { id, email } = await people.person();
    const found = async (q: string): Promise<unknown[]> =>
      (await pages(`/admin/users?q=${encodeURIComponent(q)}`)).flatMap(({ items }) =>
        items.map((user) => user['user_id']),
      );
    expect(await found(email.slice(0, -4))).to.deep.equal([String(id)]);
    for (const q of ['person%', 'person_', '%', '\\', 'nobody']) expect(await found(q), q).to.deep.equal([]);
  });

  it('disable a user on every mapper, and let him in again', async () => {
    const { id } = await people.person();
    const his = await people.key(await people.person(), ['account']);
    const { key: hers } = await people.key({ id, email: '' }, ['account', 'links:create']);
    for (const client of [api, elsewhere])
      expect((await client.call('GET', '/users/me', { key: hers })).status).to.equal(200);
    const disabled = await api.call('PATCH', `/admin/users/${id}`, { key, body: { disabled: true } });
    expect(disabled.json()['disabled_at']).to.be.a('string');
    const [page] = await pages('/admin/users?disabled=true');
    expect(page?.items.map((user) => user['user_id'])).to.deep.equal([String(id)]);
    const others = (await pages('/admin/users?disabled=false')).flatMap(({ items }) => items);
    expect(others.map((user) => user['user_id'])).not.to.include(String(id));
    expectProblem(await api.call('GET', '/admin/users?disabled=yes', { key }), 422);
    const beganMs = ranMs();
    for (const client of [api, elsewhere]) {
      await until('the key is refused', async () => {
        return (await client.call('GET', '/users/me', { key: hers })).status === 401;
      });
      expect(
        (await client.call('POST', '/urls', { key: hers, body: { long_url: 'https://example.com/' } }))
          .status,
      ).to.equal(401);
      expect((await client.call('GET', '/users/me', { key: his.key })).status).to.equal(200);
    }
    expect(ranMs() - beganMs).to.be.below(1_000);
    const again = await api.call('PATCH', `/admin/users/${id}`, { key, body: { disabled: true } });
    expect(again.json()['disabled_at']).to.equal(disabled.json()['disabled_at']);
    const back = await api.call('PATCH', `/admin/users/${id}`, { key, body: { disabled: false } });
    expect(back.json()['disabled_at']).to.equal(null);
    for (const client of [api, elsewhere])
      await until('the key is good again', async () => {
        return (await client.call('GET', '/users/me', { key: hers })).status === 200;
      });
  });

  it('read one user by his id', async () => {
    const person = await people.person();
    const { id, email } = person;
    const read = await api.call('GET', `/admin/users/${id}`, { key });
    expect(read.json()).to.include({ user_id: String(id), email, disabled_at: null });
    await people.delete(person);
    for (const gone of [String(id), '1', 'me', '-1'])
      expectProblem(await api.call('GET', `/admin/users/${gone}`, { key }), 404);
  });

  it('cannot disable themselves, nor anybody who is not there', async () => {
    const disable = async (id: bigint | string) =>
      api.call('PATCH', `/admin/users/${id}`, { key, body: { disabled: true } });
    expect(expectProblem(await disable(admin.id), 422)[0]?.field).to.equal('disabled');
    for (const id of ['1', '0', '18446744073709551615', '-1', 'me', '1e3'])
      expectProblem(await disable(id), 404);
  });

  it('read what people report about links; of one link not more than twenty', async () => {
    for (let count = 0; count < 22; count += 1) {
      const answer = await api.call('POST', '/urls/evil-link/report', {
        body: { reason: `reason ${count}` },
      });
      expect([answer.status, answer.text]).to.deep.equal([202, '']);
    }
    await api.call('POST', '/urls/other-link/report', { body: { reason: '<b>ünd "so"</b> 🙂' } });
    const reports = (await pages('/admin/reports?limit=8')).flatMap(({ items }) => items);
    expect(reports.map((report) => report['unique_id'])).to.deep.equal([
      'other-link',
      ...Array.from({ length: 20 }, () => 'evil-link'),
    ]);
    expect(reports[0]).to.include({ reason: '<b>ünd "so"</b> 🙂' });
    const ofOne = (await pages('/admin/reports?unique_id=evil-link&limit=8')).flatMap(({ items }) => items);
    expect(ofOne).to.deep.equal(reports.slice(1));
    expect((await pages('/admin/reports?unique_id=none'))[0]?.items).to.deep.equal([]);
    expect(new Set(reports.map((report) => report['report_id'])).size).to.equal(21);
  });

  it('refuse reports that say nothing, or are about nothing that can be a link', async () => {
    const report = async (path: string, reason: unknown) =>
      api.call('POST', `/urls/${path}/report`, { body: { reason } });
    for (const reason of ['', 7, 'a'.repeat(1_001), 'a\0b', '\ud800'])
      expect(expectProblem(await report('evil-link', reason), 422)[0]?.field).to.equal('reason');
    for (const path of ['urls', 'a.', 'a'.repeat(256), 'a+', '%00abc'])
      expectProblem(await report(path, 'so'), 404);
  });

  it('get pages only with numbers and cursors that were given out', async () => {
    for (const limit of ['0', '201', '-1', '1.5', 'ten', ''])
      expect(
        expectProblem(await api.call('GET', `/admin/users?limit=${limit}`, { key }), 422)[0]?.field,
      ).to.equal('limit');
    for (const cursor of ['x', 'MQ==', '', 'LTE', 'MTIzNDU2Nzg5MDEyMzQ1Njc4OTA'])
      expect(
        expectProblem(await api.call('GET', `/admin/reports?cursor=${cursor}`, { key }), 422)[0]?.field,
      ).to.equal('cursor');
  });
});
