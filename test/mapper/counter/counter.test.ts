import { expect } from 'chai';
import { createConnection, type Connection } from 'mysql2/promise';
import { createKeyspace } from '../../../db/keyspace/key.ts';
import { hasLooseEnd } from '../../../db/keyspace/loose-ends.ts';
import { MismatchError } from '../../../db/store-errors.ts';
import { AS_OPERATOR } from '../../admin-token.ts';
import { until } from '../../until.ts';
import { send, shorten, type Answer } from '../client.ts';
import { viaProxy } from '../faulty.ts';
import { createWorld, type MapperOverrides, type TestMapper, type World } from '../world.ts';

const SMALL = { first: 40, next: () => 40 };
const KEYS = { length: 8, secret: 'a secret for tests', regionBits: 10 };

describe('keys by counter', () => {
  let world: World;
  let users: Connection;
  let numbers = 0;

  before(async () => {
    world = await createWorld({ shards: 1, databases: 1, hasUsers: true });
    users = await createConnection(world.usersUrl);
  });

  after(async () => {
    await users.end();
    await world[Symbol.asyncDispose]();
  });

  async function start({ stores, ...overrides }: MapperOverrides = {}): Promise<TestMapper> {
    return world.start({ batches: SMALL, ...overrides, stores: { keySource: 'counter', ...stores } });
  }

  async function make({ url }: TestMapper): Promise<Answer> {
    numbers += 1;
    return shorten(url, { long_url: `https://example.com/${numbers}` });
  }

  /** Makes so many links at the same time. @returns their keys */
  async function makeMany(mapper: TestMapper, count: number): Promise<string[]> {
    const answers = await Promise.all(Array.from({ length: count }, async () => make(mapper)));
    return answers.map((answer) => {
      expect(answer.status, answer.text).to.equal(201);
      return String(answer.json()['unique_id']);
    });
  }

  async function readMark(): Promise<number> {
    const [rows] = await users.query('SELECT reserved_to FROM counter_marks WHERE id = 1');
    return (rows as { reserved_to: number }[])[0]?.reserved_to ?? 0;
  }

  const putMark = async (mark: number): Promise<unknown> =>
    users.query('UPDATE counter_marks SET reserved_to = ? WHERE id = 1', [mark]);

  const readCounter = async (): Promise<number> =>
    Number(await world.redis[0]?.client.get('keymill:counter'));

  async function metric(mapper: TestMapper, name: string): Promise<number> {
    const { text } = await send('GET', `${mapper.adminUrl}/metrics`, { headers: AS_OPERATOR });
    const line = text.split('\n').find((candidate) => candidate.startsWith(`keymill_${name} `));
    return Number(line?.split(' ')[1] ?? 0);
  }

  it('are of the last region, differ between mappers, and lead to their targets', async () => {
    const keyspace = createKeyspace(KEYS);
    const mappers = [await start(), await start()];
    const keys = (await Promise.all(mappers.map(async (mapper) => makeMany(mapper, 100)))).flat();
    expect(new Set(keys).size).to.equal(200);
    for (const key of keys) {
      expect(hasLooseEnd(key)).to.equal(false);
      expect(keyspace.locate(key)?.region).to.equal(1_023);
      expect((await send('GET', `${mappers[0]?.url}/${key}`)).status).to.equal(302);
    }
  });

  it('are all in the answer of the admin port, and how many in /readyz', async () => {
    const mapper = await start({ batches: { first: 500, next: () => 500 } });
    await makeMany(mapper, 10);
    const answer = await send('GET', `${mapper.adminUrl}/reserve`, { headers: AS_OPERATOR });
    const { keys, ranges } = answer.json() as { keys: string[]; ranges: { first: number; last: number }[] };
    expect(ranges).to.have.length(1);
    const [{ first, last } = { first: 0, last: 0 }] = ranges;
    expect(last).to.equal(await readMark());
    expect(last - first).to.be.within(400, 500 - keys.length - 10);
    const ready = (await send('GET', `${mapper.adminUrl}/readyz`)).json();
    expect(ready).to.deep.include({ ok: true, degraded: [], keys: last - first + 1 });
  });

  it('come from the mark alone while Redis does not answer, and the counter is lifted afterwards', async () => {
    const proxied = await viaProxy({ name: 'redis-1', url: world.redis[0]?.url ?? '' });
    const url = proxied.url.replace(/localhost|127\.0\.0\.1:\d+/, `127.0.0.1:${proxied.proxy.port}`);
    const mapper = await start({ stores: { redis: [{ name: 'redis-1', url }] } });
    await makeMany(mapper, 10);
    proxied.proxy.silence();
    const keys = (await makeMany(mapper, 64)).concat(await makeMany(mapper, 64));
    expect(await metric(mapper, 'counter_batches_total{by="mark"}')).to.be.above(1);
    await world.redis[0]?.client.del('keymill:counter');
    proxied.proxy.heal();
    proxied.proxy.cut();
    const batches = await metric(mapper, 'counter_batches_total{by="redis"}');
    await until('batches by Redis', async () => {
      keys.push(...(await makeMany(mapper, 30)));
      return (await metric(mapper, 'counter_batches_total{by="redis"}')) > batches;
    });
    expect(await readCounter()).to.be.at.least(await readMark());
    expect(new Set(keys).size).to.equal(keys.length);
    await mapper.terminate();
    await proxied.proxy.stop();
  });

  it('come from the mark alone while the counter is no number', async () => {
    const mapper = await start();
    for (const value of ['many', '-5']) {
      await world.redis[0]?.client.set('keymill:counter', value);
      const before = await readMark();
      const byMark = await metric(mapper, 'counter_batches_total{by="mark"}');
      await makeMany(mapper, 100);
      expect(await metric(mapper, 'counter_batches_total{by="mark"}')).to.be.above(byMark);
      expect((await readMark()) - before, value).to.be.within(40, 2_000);
    }
    await world.redis[0]?.client.del('keymill:counter');
  });

  it('come from a counter that is far ahead of its mark only after it was set back to it', async () => {
    const mapper = await start();
    const before = await readMark();
    for (const lead of [2 ** 25 + 1_000, 9e14]) {
      await world.redis[0]?.client.set('keymill:counter', before + lead);
      const byRedis = await metric(mapper, 'counter_batches_total{by="redis"}');
      await makeMany(mapper, 100);
      expect(await metric(mapper, 'counter_batches_total{by="redis"}')).to.be.above(byRedis);
      expect((await readMark()) - before).to.be.within(40, 4_000);
      expect((await readCounter()) - before).to.be.within(40, 4_000);
    }
  });

  it('are used up without the users database, then 503, and come again with it', async () => {
    const proxied = await viaProxy({ name: 'users', url: world.usersUrl });
    const mapper = await start({ stores: { usersDb: { url: proxied.url } } });
    await makeMany(mapper, 10);
    proxied.proxy.silence();
    let made = 0;
    let refused: Answer | undefined;
    while (refused === undefined) {
      const answer = await make(mapper);
      if (answer.status === 201) made += 1;
      else refused = answer;
    }
    expect(refused.status).to.equal(503);
    expect(refused.json()['type']).to.match(/no-keys$/);
    expect(made).to.be.within(10, 100);
    await until('the counter to count as degraded', async () => {
      const { degraded } = (await send('GET', `${mapper.adminUrl}/readyz`)).json();
      return (degraded as string[]).includes('counter');
    });
    expect((await make(mapper)).status).to.equal(503);
    proxied.proxy.heal();
    proxied.proxy.cut();
    await until('keys again', async () => (await make(mapper)).status === 201);
    await mapper.terminate();
    await proxied.proxy.stop();
  });

  it('keep their mark when the users database is put back: mappers that run raise it again', async () => {
    const mapper = await start();
    await makeMany(mapper, 100);
    const mark = await readMark();
    // A batch that is just being reserved moves the mark past what it has read before, and notices nothing.
    await until('it to be noticed', async () => {
      await putMark(1);
      await until('the mark to be raised', async () => (await readMark()) >= mark);
      return (await metric(mapper, 'counter_gone_back_total')) >= 1;
    });
  });

  it('are not given out again when mark and counter are put back and every mapper is new', async () => {
    const before = await start();
    const keys = await makeMany(before, 300);
    await before.terminate();
    const mark = await readMark();
    await putMark(0);
    await world.redis[0]?.client.flushdb();
    const mapper = await start({ batches: { first: 80, next: () => 80 } });
    for (let turn = 0; turn < 4; turn += 1) keys.push(...(await makeMany(mapper, 50)));
    expect(new Set(keys).size).to.equal(keys.length);
    expect(await readMark(), 'raised past all that were given out').to.be.above(mark);
    expect(await readCounter()).to.be.above(mark);
    const duplicates = await metric(mapper, 'key_duplicates_total');
    expect(duplicates).to.be.above(0);
    await makeMany(mapper, 200);
    expect(await metric(mapper, 'key_duplicates_total'), 'none after it was raised').to.equal(duplicates);
  });

  it('were given out: then no keys-db may have their region. Before, one may', async () => {
    const own = await createWorld({ shards: 1, databases: 1, hasUsers: true });
    const keysDbs = [{ name: 'keys-db-1024', url: 'mysql://k:p@127.0.0.1:1/keys', region: 1_023 }];
    await (await own.start({ stores: { keysDbs } })).terminate();
    const sql = await createConnection(own.usersUrl);
    await sql.query('UPDATE counter_marks SET reserved_to = 77');
    await sql.end();
    const refusal = await own.start({ stores: { keysDbs } }).catch((error: unknown) => error);
    expect(refusal).to.be.instanceOf(MismatchError);
    expect((refusal as MismatchError).message).to.match(/^keys-db-1024: .* 77 ids .* KEYMILL_KEYS_DBS$/);
    await own[Symbol.asyncDispose]();
  });

  it('end with the region, with 503', async () => {
    const small = await createWorld({ shards: 1, databases: 1, hasUsers: true });
    const sql = await createConnection(small.usersUrl);
    const keys = { length: 6, secret: 'another secret for tests', regionBits: 16 };
    const { maxId } = createKeyspace(keys);
    await sql.query('UPDATE counter_marks SET reserved_to = ?', [maxId - 90]);
    const mapper = await small.start({ batches: SMALL, stores: { keySource: 'counter', keys } });
    const answers: number[] = [];
    for (let i = 0; i < 120; i += 1) answers.push((await make(mapper)).status);
    // Some ids have no key. The last batch is a smaller one.
    expect(answers.filter((status) => status === 201).length).to.be.within(72, 90);
    expect(answers.at(-1)).to.equal(503);
    await sql.end();
    await small[Symbol.asyncDispose]();
  });
});
