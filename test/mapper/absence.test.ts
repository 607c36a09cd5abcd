import { expect } from 'chai';
import { createKeyspace } from '../../db/keyspace/key.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import type { FaultyProxy } from '../../drills/proxy/proxy.ts';
import { startWire, through } from '../db/wire.ts';
import { createLog, type Log } from '../../runtime/log.ts';
import { until } from '../until.ts';
import { send, shorten } from './client.ts';
import { Asked } from './faulty.ts';
import { createWorld, type MapperOverrides, type TestMapper, type World } from './world.ts';

const KEYS = { length: 8, secret: 'a secret for tests', regionBits: 10 };
const TARGET = { long_url: 'https://example.com/' };
const CLAIMED_TO = 1_000;
/** Above every mark, and above what can be claimed within seconds. */
const FAR = 2 ** 31;

describe('a mapper that was asked for a key before its link was made', function () {
  this.timeout(60_000);
  const keyspace = createKeyspace(KEYS);
  let world: World;
  let wires: FaultyProxy[];
  let urlsWires: FaultyProxy[];
  let maker: TestMapper;
  let asked: TestMapper;
  let urls: Asked;

  before(async () => {
    world = await createWorld();
    wires = await Promise.all(world.redis.map(async ({ url }) => startWire(url)));
    urlsWires = await Promise.all(world.urls.map(async ({ url }) => startWire(url)));
    urls = new Asked(urlsWires);
    for (const { client } of world.redis)
      await client.hset('producer:keys-db-1', { epoch: 1, seq: 1, claimed_to: CLAIMED_TO });
    const stores = { keys: KEYS, keysDbs: [{ name: 'keys-db-1', url: '', region: 0 }] };
    const overrides: MapperOverrides = { stores, reserve: 0 };
    maker = await world.start(overrides);
    const redis = world.redis.map(({ name, url }, index) => ({
      name,
      url: through(wires[index] as FaultyProxy, url),
    }));
    asked = await world.start({ ...overrides, stores: { ...stores, redis, urlsDbs: countedUrls() } });
  });

  after(async () => {
    await world[Symbol.asyncDispose]();
    for (const wire of [...wires, ...urlsWires]) await wire[Symbol.asyncDispose]();
  });

  /** The urls servers through {@link urlsWires}. */
  function countedUrls(): World['urls'] {
    return world.urls.map((db, index) => ({ ...db, url: through(urlsWires[index] as FaultyProxy, db.url) }));
  }

  async function statusOf(key: string, { url }: TestMapper = asked): Promise<number> {
    return (await send('GET', `${url}/${key}`)).status;
  }

  function keyOf(id: number): string {
    return keyspace.keysOf(0, id, 1)[0] ?? '';
  }

  /** How often the urls servers are asked while `mapper`, which reaches them through our wires, answers. */
  async function readsFor(text: string, times: number, mapper: TestMapper = asked): Promise<number> {
    return urls.countOf(text, async () => {
      for (let time = 0; time < times; time += 1) expect(await statusOf(text, mapper)).to.equal(404);
    });
  }

  it('redirects by a pool key as soon as the link is acknowledged', async () => {
    for (let id = 1; id <= 20; id += 1) {
      expect(await statusOf(keyOf(id))).to.equal(404);
      await world.redis[0]?.client.rpush('keys:available', keyOf(id));
      await until('the key to be taken', async () => {
        const made = await shorten(maker.url, TARGET);
        return made.status === 201 && made.json()['unique_id'] === keyOf(id);
      });
      expect(await statusOf(keyOf(id))).to.equal(302);
    }
  });

  it('redirects a request that joined a read from before the link was made', async () => {
    const [own] = world.urls;
    if (own === undefined) throw new Error('no urls server');
    const key = keyOf(
      Array.from({ length: 500 }, (_, id) => 100 + id).find((id) => own.slots.includes(slotOf(keyOf(id)))) ??
        0,
    );
    const [counting, ...others] = countedUrls();
    if (counting === undefined) throw new Error('no urls server');
    await using wire = await startWire(counting.url);
    const urlsDbs = [{ ...counting, url: through(wire, counting.url) }, ...others];
    const slow = await world.start({
      stores: { keys: KEYS, keysDbs: [{ name: 'keys-db-1', url: '', region: 0 }], urlsDbs },
    });
    const status = async (path: string): Promise<number> => (await send('GET', `${slow.url}/${path}`)).status;
    // Each new subscription makes the reads in flight outdated. Who hears every Redis remembers an absence.
    await until('the announcements to be heard', async () => (await readsFor(keyOf(FAR), 10, slow)) < 10);
    // Until it is known that no server has codes of others, they are asked for such texts too.
    await until('what is no key to be known', async () => (await readsFor('no.key', 1, slow)) === 0);
    // The read is executed, and its answer is held.
    let isAsked = false;
    let isHeld = false;
    wire.cutBeforeReplyTo((sent) => {
      isAsked ||= sent.includes(key);
      return false;
    });
    wire.mangleAnswers((piece) => {
      if (isAsked && !isHeld) wire.silence();
      isHeld ||= isAsked;
      return piece;
    });
    const early = status(key);
    await until('the answer of the read to be held', () => isHeld);
    await world.redis[0]?.client.rpush('keys:available', key);
    await until('the link', async () => (await shorten(maker.url, TARGET)).json()['unique_id'] === key);
    const late = status(key);
    // These are answered without a read, and so after the late request has arrived.
    for (let time = 0; time < 5; time += 1) expect(await status('no.key')).to.equal(404);
    wire.heal();
    expect(await early).to.equal(404);
    expect(await late).to.equal(302);
  });

  it('asks the urls server only once for a key that cannot be issued', async () => {
    let id = FAR;
    // Until the marks are known, and announcements are heard.
    await until('one read', async () => (await readsFor(keyOf((id += 1)), 10)) === 1, { everyMs: 200 });
  });

  it('remembers no absence while a claim mark is impossible, and names the mark once', async () => {
    const errors: string[] = [];
    const log = createLog('test', 'absence', 'error');
    log.error = ((fields: object, text: string) =>
      errors.push(`${text} ${JSON.stringify(fields)}`)) as unknown as Log['error'];
    const client = world.redis[1]?.client;
    const stores = { keys: KEYS, keysDbs: [{ name: 'keys-db-1', url: '', region: 0 }] };
    await client?.hset('producer:keys-db-1', { claimed_to: 'x' });
    const other = await world.start({ stores: { ...stores, urlsDbs: countedUrls() }, reserve: 0, log });
    await until('the mark to be named', () => errors.length > 0);
    for (let time = 0; time < 5; time += 1) {
      expect(await readsFor(keyOf(FAR), 10, other)).to.be.at.least(10);
    }
    await client?.hset('producer:keys-db-1', { claimed_to: CLAIMED_TO });
    await until('the marks to be known', async () => (await readsFor(keyOf(FAR), 10, other)) < 10, {
      everyMs: 200,
    });
    expect(errors).to.have.length(1);
    expect(errors[0]).to.include('redis-2').and.include('claimed_to of producer:keys-db-1 is');
  });

  it('redirects by an alias that it could not hear of', async () => {
    const alias = `unheard-${Date.now()}`;
    await until('the announcements to be heard', async () => (await readsFor(`${alias}-0`, 10)) < 10);
    expect(await statusOf(alias)).to.equal(404);
    for (const wire of wires) wire.silence();
    try {
      await until('half a second of silence', async () => (await readsFor(`${alias}-0`, 10)) >= 10);
      expect((await shorten(maker.url, { ...TARGET, custom_alias: alias })).status).to.equal(201);
      expect(await statusOf(alias)).to.equal(302);
    } finally {
      for (const wire of wires) wire.heal();
    }
  });

  it('forgets what was absent, when it hears again after a silence', async () => {
    const alias = `silence-${Date.now()}`;
    await until('the announcements to be heard', async () => (await readsFor(`${alias}-0`, 10)) < 10);
    expect(await statusOf(alias)).to.equal(404);
    for (const wire of wires) wire.silence();
    // Written by hand, as a mapper writes that reaches no Redis: nobody announces it.
    await until('half a second of silence', async () => (await readsFor(`${alias}-0`, 10)) >= 10);
    const silent = await world.start({
      stores: { redis: [{ name: 'redis-1', url: 'redis://127.0.0.1:1' }] },
    });
    expect((await shorten(silent.url, { ...TARGET, custom_alias: alias })).status).to.equal(201);
    for (const wire of wires) wire.heal();
    await until('the announcements to be heard', async () => (await readsFor(`${alias}-0`, 10)) < 10);
    expect(await statusOf(alias)).to.equal(302);
  });
});
