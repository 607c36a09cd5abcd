import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { useApi } from '../api/use-api.ts';
import { NDJSON, parseLines, type ItemAnswer } from '../bulk/bulk-fixture.ts';
import { until } from '../../until.ts';
import { expectProblem } from '../client.ts';
import { counterOf } from './counters.ts';
import { keysOf } from './senders.ts';

function newTarget(): string {
  return `https://example.com/${randomUUID()}`;
}

function keysIn(items: readonly ItemAnswer[]): unknown[] {
  return items.map(({ link }) => link?.['unique_id']);
}

function statusesIn(items: readonly ItemAnswer[]): number[] {
  return items.map(({ status }) => status);
}

describe('items of a bulk that may be repeated', () => {
  const fixture = useApi({ keys: 1_000 });
  const { api } = fixture;

  async function session(): Promise<string> {
    return fixture.people.session(await fixture.people.person());
  }

  async function make(
    cookie: string,
    items: readonly object[],
    idempotencyKey?: string,
  ): Promise<ItemAnswer[]> {
    const answer = await api.call('POST', '/urls/bulk', {
      cookie,
      body: items.map((item) => `${JSON.stringify(item)}\n`).join(''),
      headers: {
        'content-type': NDJSON,
        ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
      },
    });
    expect(answer.status, answer.text).to.equal(200);
    return parseLines(answer.text);
  }

  it('find their links, each by itself, also those of the same bulk', async () => {
    const cookie = await session();
    const [one, two] = [newTarget(), newTarget()];
    const find = (long_url: string): object => ({ long_url, find_if_exists: true });
    const items = await make(cookie, [find(one), { long_url: newTarget() }, find(one), find(two), find(one)]);
    expect(statusesIn(items)).to.have.members([200, 200, 201, 201, 201]);
    const keys = keysIn(items);
    expect([keys[2], keys[4]]).to.deep.equal([keys[0], keys[0]]);
    expect(await keysOf(fixture.world, one)).to.deep.equal([keys[0]]);
    const again = await make(cookie, [find(two), find(one)]);
    expect([statusesIn(again), keysIn(again)]).to.deep.equal([
      [200, 200],
      [keys[3], keys[0]],
    ]);
  });

  it('have passwords, of which few wait to be hashed whatever else they have', async () => {
    const cookie = await session();
    const round = async (): Promise<boolean> => {
      const bulks = [randomUUID(), randomUUID(), undefined, undefined].map(async (idempotencyKey) => {
        const item = (): object => ({ long_url: newTarget(), password: 'one', find_if_exists: true });
        return make(cookie, Array.from({ length: 8 }, item), idempotencyKey);
      });
      const statuses = (await Promise.all(bulks)).flatMap(statusesIn);
      expect(statuses.every((status) => status === 201 || status === 503)).to.equal(true);
      return !statuses.includes(503);
    };
    // On a busy machine four hashes may take more than the four seconds that one waits.
    await until('a round in which none had to wait for too long', round, { timeoutMs: 50_000 });
  });

  it('get the same answers again with the same Idempotency-Key, each at its place', async () => {
    const cookie = await session();
    const custom_alias = `alias-${randomUUID().slice(0, 13)}`;
    const long_url = newTarget();
    const items = [
      { long_url },
      { long_url },
      { long_url: 'ftp://a.example/' },
      { long_url, custom_alias },
      { long_url: newTarget(), custom_alias },
      { long_url, title: 'Ours', find_if_exists: true },
    ];
    const name = randomUUID();
    const first = await make(cookie, items, name);
    const statuses = statusesIn(first);
    expect(statuses.filter((_, index) => index < 3)).to.deep.equal([201, 201, 422]);
    expect(statuses.slice(3, 5)).to.have.members([201, 409]);
    expect(await make(cookie, items, name)).to.deep.equal(first);
    await api.call('DELETE', `/urls/${String(keysIn(first)[0])}`, { cookie });
    expect(await make(cookie, items, name)).to.deep.equal(first);
    // The rest of a bulk that broke off.
    expect((await make(cookie, [...items, { long_url: newTarget() }], name)).slice(0, -1)).to.deep.equal(
      first,
    );
    const moved = await make(cookie, items.slice(1), name);
    expect(moved.map(({ problem }) => problem?.type.split(':').at(-1))).to.deep.equal([
      undefined,
      'invalid-request',
      'alias-taken',
      'idempotency-key-reused',
      'idempotency-key-reused',
    ]);
  });

  it('are one link each when two bulks with one Idempotency-Key come at the same time', async () => {
    const cookie = await session();
    const items = Array.from({ length: 100 }, () => ({ long_url: newTarget() }));
    const name = randomUUID();
    const [one, two] = await Promise.all([make(cookie, items, name), make(cookie, items, name)]);
    expect(one).to.deep.equal(two);
    expect(new Set(keysIn(one)).size).to.equal(items.length);
    const listed = await api.call('GET', '/urls?limit=200', { cookie });
    expect(listed.json()['items']).to.have.length(items.length);
  });

  it('refuse an Idempotency-Key of another form before any item is read', async () => {
    const answer = await api.call('POST', '/urls/bulk', {
      cookie: await session(),
      body: '',
      headers: { 'content-type': NDJSON, 'idempotency-key': 'a'.repeat(256) },
    });
    expect(expectProblem(answer, 422)).to.deep.equal([
      { field: 'Idempotency-Key', reason: 'must be 1 to 255 printable ASCII characters' },
    ]);
  });

  it('are counted by what became of them', async () => {
    const cookie = await session();
    const before = await counterOf(fixture.mapper.adminUrl, 'bulk_items_total');
    const item = { long_url: newTarget(), find_if_exists: true };
    await make(cookie, [item, item], 'counted');
    await make(cookie, [item, item], 'counted');
    await make(cookie, [item]);
    const now = await counterOf(fixture.mapper.adminUrl, 'bulk_items_total');
    const grown = ['created', 'found', 'replayed'].map(
      (result) => now(`result="${result}"`) - before(`result="${result}"`),
    );
    expect(grown).to.deep.equal([1, 2, 2]);
  });

  it('are 250 links for 500 items of which each comes twice', async function () {
    this.timeout(60_000);
    const cookie = await session();
    const targets = Array.from({ length: 250 }, newTarget);
    const items = [...targets, ...targets].map((long_url) => ({ long_url, find_if_exists: true }));
    const made = await make(cookie, items);
    expect(made.filter(({ status }) => status === 201)).to.have.length(targets.length);
    expect(keysIn(made).slice(targets.length)).to.deep.equal(keysIn(made).slice(0, targets.length));
  });
});
