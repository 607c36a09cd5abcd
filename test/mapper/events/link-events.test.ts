import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { until } from '../../until.ts';
import { withSql } from '../../db/urls-fixture.ts';
import { send } from '../client.ts';
import { useWebhooks, type Owner } from '../webhooks/use-webhooks.ts';

/** What a webhook got. */
interface Got {
  readonly type: string;
  readonly data: Record<string, unknown>;
}

const TARGET = 'https://example.com/first';

describe('what webhooks are told of links', function () {
  this.timeout(60_000);
  const fixture = useWebhooks({ jobs: { keptDays: undefined, pollMs: 50 } });
  const { owner, hook, api } = fixture;
  let paths = 0;

  /** An owner with a webhook, and what it has got. */
  async function listener(): Promise<{ ana: Owner; got: () => Got[] }> {
    const ana = await owner();
    paths += 1;
    const path = `/events-${paths}`;
    await hook(ana, path);
    const got = (): Got[] =>
      fixture.receiver.received
        .filter((request) => request.path === path)
        .map(({ body }) => JSON.parse(body) as Got);
    return { ana, got };
  }

  /** Does something with the servers behind the back of the mapper. */
  async function onServers(sql: string, params: readonly string[] = []): Promise<void> {
    for (const server of fixture.world.urls) await server.sql.query(sql, [...params]);
  }

  /** Waits for so many events, and for a moment in which there could be more. */
  async function waitFor(got: () => Got[], count: number): Promise<Got[]> {
    await until(`${count} events`, () => got().length >= count);
    expect(got(), JSON.stringify(got())).to.have.length(count);
    // The order of deliveries is not promised.
    return got().sort((a, b) => Number(a.data['version']) - Number(b.data['version']));
  }

  async function shown({ cookie }: Owner, key: string): Promise<Record<string, unknown>> {
    return (await api.call('GET', `/urls/${key}`, { cookie })).json();
  }

  async function make({ cookie }: Owner, fields: object = {}, headers = {}): Promise<string> {
    const body = { long_url: TARGET, ...fields };
    const answer = await api.call('POST', '/urls', { cookie, body, headers });
    expect(answer.status, answer.text).to.be.oneOf([200, 201]);
    return String(answer.json()['unique_id']);
  }

  it('has the whole link as the API shows it, after each change of its life', async () => {
    const { ana, got } = await listener();
    const { cookie } = ana;
    const key = await make(ana, {
      title: 'ä "q" \\',
      tags: ['b', 'a'],
      password: 'a secret of the link',
      max_visits: 7,
      expiration_date: '2031-01-02T03:04:05Z',
      targets: [{ when: { device: ['ios'] }, long_url: 'https://example.com/ios' }],
    });
    const seen = [await shown(ana, key)];
    const patch = { cookie, body: { title: null, tags: ['c'], max_visits: 3 } };
    expect((await api.call('PATCH', `/urls/${key}`, patch)).status).to.equal(200);
    seen.push(await shown(ana, key));
    const rename = { cookie, body: { tag: 'd' } };
    expect((await api.call('PATCH', '/users/me/tags/c', rename)).status).to.equal(200);
    seen.push(await shown(ana, key));
    expect((await api.call('DELETE', `/urls/${key}`, { cookie })).status).to.equal(204);
    seen.push(await shown(ana, key));
    expect((await api.call('POST', `/urls/${key}/restore`, { cookie })).status).to.equal(204);
    seen.push(await shown(ana, key));
    const events = await waitFor(got, 5);
    expect(events.map(({ type }) => type)).to.deep.equal([
      'link.created',
      'link.updated',
      'link.updated',
      'link.deleted',
      'link.updated',
    ]);
    expect(events.map(({ data }) => data)).to.deep.equal(seen);
  });

  it('tells of links however they are made, once each, and not of those that were found', async () => {
    const { ana, got } = await listener();
    const { cookie } = ana;
    const alias = `alias-${randomBytes(4).toString('hex')}`;
    const header = { 'idempotency-key': randomBytes(8).toString('hex') };
    const keys = [await make(ana), await make(ana, { custom_alias: alias }), await make(ana, {}, header)];
    expect(await make(ana, {}, header), 'repeated').to.equal(keys[2]);
    const found = { long_url: 'https://example.com/found', find_if_exists: true };
    keys.push(await make(ana, found));
    expect(await make(ana, found), 'found').to.equal(keys[3]);
    const bulk = await api.call('POST', '/urls/bulk', {
      cookie,
      body: { items: [{ long_url: TARGET }, { long_url: 'nothing' }, { long_url: TARGET, tags: ['a'] }] },
    });
    const items = bulk.json()['items'] as { link?: { unique_id: string } }[];
    keys.push(...items.flatMap(({ link }) => (link === undefined ? [] : [link.unique_id])));
    const taken = await api.call('POST', '/urls', {
      cookie,
      body: { long_url: TARGET, custom_alias: alias },
    });
    expect(taken.status).to.equal(409);
    const events = await waitFor(got, 6);
    expect(events.map(({ type }) => type)).to.deep.equal(Array.from({ length: 6 }, () => 'link.created'));
    expect(events.map(({ data }) => data['unique_id'])).to.have.members(keys);
    for (const { data } of events) expect(data).to.deep.equal(await shown(ana, String(data['unique_id'])));
  });

  it('tells an owner what an administrator does to his link, and of no link of others', async () => {
    const { ana, got } = await listener();
    const other = await owner();
    await make(other);
    const key = await make(ana);
    const cookie = await fixture.people.session(await fixture.people.person({ isAdmin: true }));
    const block = { cookie, body: { blocked: true, reason: 'It does harm.' } };
    expect((await api.call('PATCH', `/admin/links/${key}`, block)).status).to.equal(200);
    const events = await waitFor(got, 2);
    expect(events[1]?.type).to.equal('link.updated');
    expect(events[1]?.data).to.deep.equal(await shown(ana, key));
  });

  it('tells of imported links with the visits that they bring, and of those that are overwritten', async () => {
    const { ana, got } = await listener();
    const code = `code-${randomBytes(4).toString('hex')}`;
    await runImport(ana, `code,url,humans\n${code},https://example.com/1,5\n`);
    await runImport(ana, `code,url,humans\n${code},https://example.com/2,5\n`, '?on_conflict=overwrite');
    const events = await waitFor(got, 2);
    expect(events.map(({ type, data }) => [type, data['long_url'], data['version']])).to.deep.equal([
      ['link.created', 'https://example.com/1', 1],
      ['link.updated', 'https://example.com/2', 2],
    ]);
    expect(events[0]?.data['clicks']).to.deep.equal({ total: 5, humans: 5, bots: 0 });
  });

  async function runImport({ cookie }: Owner, csv: string, query = ''): Promise<void> {
    const headers = { 'content-type': 'text/csv' };
    const begun = await api.call('POST', `/import${query}`, { cookie, headers, body: csv });
    expect(begun.status, begun.text).to.equal(202);
    const path = `/import/${String(begun.json()['id'])}`;
    await until(
      'it is done',
      async () => (await api.call('GET', path, { cookie })).json()['state'] === 'done',
    );
  }

  it('tells of the last visit of a link', async () => {
    const { ana, got } = await listener();
    const key = await make(ana, { max_visits: 2 });
    for (let visit = 0; visit < 3; visit += 1) await send('GET', `${fixture.mapper.url}/${key}`);
    const reached = (): Got[] => got().filter(({ type }) => type === 'link.limit_reached');
    await until('it is told', () => reached().length === 1);
    expect(reached()[0]?.data).to.deep.include({ unique_id: key, max_visits: 2, visits_left: 0, version: 1 });
  });

  it('tells of links that have expired, once', async () => {
    const { ana, got } = await listener();
    const [key, other] = [
      await make(ana, { expiration_date: '2031-01-01T00:00:00Z' }),
      await make(ana, { expiration_date: '2031-01-01T00:00:00Z' }),
    ];
    await withSql(fixture.world.usersUrl, async (sql) =>
      sql.query('UPDATE webhooks SET listens_since = listens_since - INTERVAL 1 HOUR WHERE user_id = ?', [
        ana.id,
      ]),
    );
    const expired = 'UPDATE urls SET expires_at = UTC_TIMESTAMP() - INTERVAL 2 MINUTE WHERE unique_id = ?';
    await onServers(expired, [key]);
    const walkNow = "UPDATE jobs SET done_at = done_at - INTERVAL 1 HOUR WHERE name = 'expired-links'";
    await onServers(walkNow);
    const isExpired = ({ type }: Got): boolean => type === 'link.expired';
    await until('it is told', () => got().some(isExpired));
    const [event] = got().filter(isExpired);
    expect(event?.data).to.deep.equal(await shown(ana, key));
    await onServers('UPDATE expiry_marks SET expired_to = expired_to - INTERVAL 1 SECOND');
    await onServers(walkNow);
    await make(ana);
    await until('the next event', () => got().length === 4);
    expect(
      got()
        .filter(isExpired)
        .map(({ data }) => data['unique_id']),
    )
      .to.deep.equal([key])
      .and.not.include(other);
  });

  it('tells of clicks in batches, and each click once', async () => {
    const { ana, got } = await listener();
    const keys = [await make(ana), await make(ana)];
    await until('both links', () => got().length === 2);
    const clicks = 12;
    // At the same time: one after another, each click could be in a flush of its own on a slow machine.
    const followed = Array.from({ length: clicks }, () => keys).flat();
    await Promise.all(followed.map(async (key) => send('GET', `${fixture.mapper.url}/${key}`)));
    const told = (key: string): number =>
      got()
        .filter(({ type }) => type === 'link.clicked')
        .flatMap(({ data }) => data['links'] as { unique_id: string; clicks: { total: number } }[])
        .filter((link) => link.unique_id === key)
        .reduce((sum, link) => sum + link.clicks.total, 0);
    await until('all clicks', () => keys.every((key) => told(key) === clicks));
    expect(got().filter(({ type }) => type === 'link.clicked').length).to.be.below(clicks);
  });
});
