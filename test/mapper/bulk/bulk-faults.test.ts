import { expect } from 'chai';
import { slotOf } from '../../../db/keyspace/placement.ts';
import { until } from '../../until.ts';
import { ApiClient } from '../api/api-client.ts';
import { ranMs } from '../../ran-ms.ts';
import { People } from '../api/people.ts';
import { send } from '../client.ts';
import { viaProxy, type Proxied } from '../faulty.ts';
import { createWorld, randomKeys, type TestMapper, type World } from '../world.ts';
import {
  beginBulk,
  expectAllMade,
  kindOf,
  parseLines,
  sendLines,
  toChunk,
  type BegunBulk,
} from './bulk-fixture.ts';

const TARGET = 'https://example.com/faults';

/** An INSERT of links with an owner. The proof that the server takes such links begins in the same way. */
function isOwnedInsert(sent: Buffer): boolean {
  return sent.toString('latin1', 5).startsWith('START TRANSACTION;\nINSERT INTO urls (slot, unique_id');
}

function items(count: number, name = 'item'): { long_url: string }[] {
  return Array.from({ length: count }, (_, index) => ({ long_url: `${TARGET}/${name}/${index}` }));
}

describe('a bulk whose client or servers fail', () => {
  let world: World;
  let people: People;
  let mapper: TestMapper;
  let first: Proxied & { readonly slots: readonly number[] };
  let api: ApiClient;
  let key: string;

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 25_000, hasUsers: true });
    people = new People(world.usersUrl);
    const [one, two] = world.urls;
    if (one === undefined || two === undefined) throw new Error('two servers');
    first = await viaProxy({ name: one.name, url: one.url, slots: one.slots });
    mapper = await world.start({ stores: { urlsDbs: [first, two] }, reserve: 64 });
    api = new ApiClient(() => mapper.url);
  });

  beforeEach(async () => {
    ({ key } = await people.key(await people.person(), ['links:read', 'links:write']));
  });

  afterEach(async () => {
    first.proxy.heal();
    await until('recovery', async () => (await degraded()) === '[]');
  });

  after(async function () {
    this.timeout(60_000);
    await people[Symbol.asyncDispose]();
    await mapper.stop();
    await first.proxy.stop();
    await world[Symbol.asyncDispose]();
  });

  async function degraded(): Promise<string> {
    return JSON.stringify((await send('GET', `${mapper.adminUrl}/readyz`)).json()['degraded']);
  }

  /** The targets of all links of the user, with their keys. */
  async function listed(): Promise<Map<string, string[]>> {
    const { text } = await api.call('GET', '/urls/export', { key });
    const links = text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as { unique_id: string; long_url: string });
    return new Map(
      Array.from(
        Map.groupBy(links, ({ long_url }) => long_url),
        ([target, some]) => [target, some.map(({ unique_id }) => unique_id)],
      ),
    );
  }

  async function begin(): Promise<BegunBulk> {
    return beginBulk(mapper.url, { authorization: `Bearer ${key}` });
  }

  it('answers lines while more of them come, one by one', async () => {
    const { socket, received } = await begin();
    for (const [index, item] of items(20, 'one-by-one').entries()) {
      socket.write(toChunk([item]));
      await until('its answer', () => received().includes(`{"index":${index},"status":201`));
    }
    socket.write('0\r\n\r\n');
    await until('the end', () => received().endsWith('0\r\n\r\n'));
    // The connection goes on.
    socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    await until('the next answer', () => received().includes('HTTP/1.1 404'));
    socket.destroy();
  });

  it('keeps what was bound when the client goes, wherever that is', async () => {
    const all = items(2_000, 'aborted');
    const text = toChunk(all);
    for (const part of [0, 0.1, 0.5, 0.9, 0.999, 1]) {
      ({ key } = await people.key(await people.person(), ['links:read', 'links:write']));
      const { socket, received } = await begin();
      socket.write(text.slice(0, Math.floor(text.length * part)));
      if (part > 0) await until('a first answer', () => received().includes('"status":201'));
      socket.destroy();
      const acknowledged = received()
        .split('\n')
        .flatMap((line) => (/"status":201/.test(line) && line.endsWith('}') ? [JSON.parse(line)] : []))
        .map(({ link }: { link: { unique_id: string; long_url: string } }) => link);
      const keys = await listed();
      for (const link of acknowledged) expect(keys.get(link.long_url)).to.deep.equal([link.unique_id]);
      for (const [target, some] of keys) expect(some, target).to.have.length(1);
    }
    await until('every key to be bound or given up', async () => (await heldKeys()) <= 64);
  });

  async function heldKeys(): Promise<number> {
    const { text } = await send('GET', `${mapper.adminUrl}/metrics`);
    return Number(/keymill_keys_held (\d+)/.exec(text)?.[1] ?? 0);
  }

  it('waits for a client that reads nothing before it has sent everything', async () => {
    const { socket, received } = await begin();
    socket.pause();
    const all = items(10_000, 'unread');
    for (let at = 0; at < all.length; at += 500) socket.write(toChunk(all.slice(at, at + 500)));
    await new Promise((resolve) => socket.write('0\r\n\r\n', resolve));
    socket.resume();
    await until('the whole answer', () => received().endsWith('0\r\n\r\n'));
    const body = received().replaceAll(/\r\n[0-9a-f]+\r\n/g, '');
    expect(body.split('"status":201').length - 1).to.equal(10_000);
    socket.destroy();
  });

  it('gives links other keys while a server is down, and says so of its aliases', async () => {
    first.proxy.silence();
    await until('the server to be down', async () => (await degraded()).includes('urls-1'));
    const aliases = randomKeys(40);
    const { items: answers } = await sendLines(api, { key }, [
      ...items(300, 'down'),
      ...aliases.map((custom_alias) => ({ long_url: TARGET, custom_alias })),
    ]);
    const keys = expectAllMade(answers.slice(0, 300), 300);
    expect(keys.some((made) => first.slots.includes(slotOf(made)))).to.equal(false);
    answers.slice(300).forEach((answer, index) => {
      const isDown = first.slots.includes(slotOf(aliases[index] ?? ''));
      expect([answer.status, kindOf(answer)]).to.deep.equal(isDown ? [503, 'store-down'] : [201, undefined]);
    });
  });

  it('makes each link once if an answer is lost, and says of no link that it is not there', async () => {
    let cuts = 0;
    const loseNext = (): void =>
      first.proxy.cutBeforeReplyTo((sent) => {
        if (!isOwnedInsert(sent)) return false;
        cuts += 1;
        if (cuts < 3) queueMicrotask(loseNext);
        return true;
      });
    loseNext();
    const alias = randomKeys(50).find((one) => first.slots.includes(slotOf(one))) ?? '';
    const { items: answers } = await sendLines(api, { key }, [
      ...items(1_000, 'lost'),
      { long_url: `${TARGET}/lost/alias`, custom_alias: alias },
    ]);
    expect(cuts).to.be.above(0);
    expectAllMade(answers.slice(0, 1_000), 1_000);
    // An alias that is not sent yet when its server counts as down is refused.
    const [aliasAnswer] = answers.slice(1_000);
    expect(aliasAnswer?.status).to.be.oneOf([201, 503]);
    const keys = await listed();
    expect(keys.size).to.equal(aliasAnswer?.status === 201 ? 1_001 : 1_000);
    for (const [target, some] of keys) expect(some, target).to.have.length(1);
  });

  it('says which links are perhaps made when the server stays away, and makes none of them twice', async () => {
    let cuts = 0;
    const loseAll = (): void =>
      first.proxy.cutBeforeReplyTo((sent) => {
        if (!isOwnedInsert(sent)) return false;
        cuts += 1;
        queueMicrotask(loseAll);
        return true;
      });
    loseAll();
    const { items: answers } = await sendLines(api, { key }, items(400, 'unknown'));
    first.proxy.heal();
    expect(cuts).to.be.above(0);
    const unknown = answers.filter(({ status }) => status !== 201);
    expect(unknown).to.have.length.above(0);
    for (const { status, problem } of unknown) {
      expect(status).to.equal(503);
      expect(problem?.detail).to.include('Look into your list');
    }
    const keys = await listed();
    for (const [target, some] of keys) expect(some, target).to.have.length(1);
    for (const { link } of answers.filter(({ status }) => status === 201))
      expect(keys.get(String(link?.['long_url']))).to.deep.equal([link?.['unique_id']]);
  });

  it('makes single links meanwhile', async () => {
    const bulk = sendLines(api, { key }, items(5_000, 'meanwhile'));
    let slowestMs = 0;
    const state = { isOver: false };
    void bulk.finally(() => (state.isOver = true));
    let count = 0;
    while (!state.isOver) {
      const startedMs = ranMs();
      const answer = await api.call('POST', '/urls', { body: { long_url: TARGET } });
      expect(answer.status).to.equal(201);
      slowestMs = Math.max(slowestMs, ranMs() - startedMs);
      count += 1;
    }
    expectAllMade((await bulk).items, 5_000);
    expect(count).to.be.above(3);
    expect(slowestMs).to.be.below(1_000);
  });
});

describe('a bulk for which the pools have too few keys', () => {
  it('makes as many links as there are keys, answers 503 for the others, and loses none', async function () {
    this.timeout(60_000);
    await using stack = new AsyncDisposableStack();
    const world = stack.use(await createWorld({ hasUsers: true }));
    const people = stack.use(new People(world.usersUrl));
    await Promise.all([world.fill(0, 30), world.fill(1, 11)]);
    const mapper = await world.start({ reserve: 4 });
    const api = new ApiClient(() => mapper.url);
    const { key } = await people.key(await people.person(), ['links:write']);
    const { items: answers } = await sendLines(api, { key }, items(100, 'few'));
    const made = answers.filter(({ status }) => status === 201);
    const refused = answers.filter(({ status }) => status !== 201);
    expect(refused.map(kindOf).every((kind) => kind === 'no-keys')).to.equal(true);
    const left = await Promise.all(world.redis.map(async ({ client }) => client.llen('keys:available')));
    expect(made.length + left.reduce((sum, count) => sum + count, 0)).to.be.within(41 - 8, 41);
    expect(made).to.have.length.above(30);
    // A bulk of 10,000 items must not wait for each of them.
    const startedMs = ranMs();
    const { items: none } = await sendLines(api, { key }, items(5_000, 'none'));
    expect(none.filter(({ status }) => status === 503)).to.have.length.above(4_990);
    expect(ranMs() - startedMs).to.be.below(8_000);
    expect(parseLines('')).to.deep.equal([]);
  });
});
