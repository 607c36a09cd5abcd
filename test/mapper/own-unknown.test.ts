import { expect } from 'chai';
import { isOwnedInsert } from '../../drills/proxy/proxy.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import { until } from '../until.ts';
import { People } from './api/people.ts';
import { send, shorten, type Answer } from './client.ts';
import { bindsOwned, viaProxy, type Proxied } from './faulty.ts';
import { createWorld, type TestMapper, type World } from './world.ts';

interface Made {
  readonly longUrl: string;
  readonly answer: Answer;
}

describe('a shorten by an owner whose INSERT has no answer', () => {
  let world: World;
  let people: People;
  let mapper: TestMapper;
  let first: Proxied & { readonly slots: readonly number[] };
  let authorization: string;
  let links = 0;

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 2_000, hasUsers: true });
    people = new People(world.usersUrl);
    const { key } = await people.key(await people.person(), ['links:read', 'links:write']);
    authorization = `Bearer ${key}`;
    const [one, two] = world.urls;
    if (one === undefined || two === undefined) throw new Error('two servers');
    first = await viaProxy({ name: one.name, url: one.url, slots: one.slots });
    mapper = await world.start({ stores: { urlsDbs: [first, two] }, reserve: 64 });
    await make();
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

  /** The first server does all that it is asked to, and some answers to owned INSERTs are lost. */
  function loseAnswers(most: number): { readonly count: number } {
    const cuts = { count: 0 };
    const loseNext = (): void =>
      first.proxy.cutBeforeReplyTo((sent) => {
        // The answer to an INSERT that is repeated would tell that its rows are there.
        if (!bindsOwned(sent) && !(cuts.count > 0 && isOwnedInsert(sent))) return false;
        cuts.count += 1;
        if (cuts.count < most) queueMicrotask(loseNext);
        return true;
      });
    loseNext();
    return cuts;
  }

  async function make(): Promise<Made> {
    const longUrl = `https://example.com/${(links += 1)}`;
    return { longUrl, answer: await shorten(mapper.url, { long_url: longUrl }, { authorization }) };
  }

  /** Makes links, twenty at the same time, until the first server has lost an answer. */
  async function makeUntilLost(cuts: { readonly count: number }): Promise<Made[]> {
    const made: Made[] = [];
    do made.push(...(await Promise.all(Array.from({ length: 20 }, make))));
    while (cuts.count === 0);
    return made;
  }

  /** The keys of the owner's links, by their targets. */
  async function list(): Promise<Map<string, string[]>> {
    const answer = await send('GET', `${mapper.url}/urls?limit=200`, { headers: { authorization } });
    const { items } = answer.json() as { items: { unique_id: string; long_url: string }[] };
    const keys = Map.groupBy(items, ({ long_url }) => long_url);
    return new Map(Array.from(keys, ([target, some]) => [target, some.map(({ unique_id }) => unique_id)]));
  }

  it('makes one link if the server answers again', async () => {
    const cuts = loseAnswers(2);
    const made = await makeUntilLost(cuts);
    expect(cuts.count).to.equal(2);
    const listed = await list();
    for (const { longUrl, answer } of made) {
      expect(answer.status).to.equal(201);
      expect(listed.get(longUrl)).to.deep.equal([answer.json()['unique_id']]);
    }
  });

  it('makes no second link if the server does not, and is told that', async () => {
    const cuts = loseAnswers(Infinity);
    const made = await makeUntilLost(cuts);
    expect(cuts.count).to.be.above(2);
    first.proxy.heal();
    const listed = await list();
    const unknown = made.filter(({ answer }) => answer.status !== 201);
    expect(unknown).to.have.length.above(0);
    for (const { longUrl, answer } of unknown) {
      expect(answer.status).to.equal(503);
      expect(answer.json()['detail']).to.include('Look into your list');
      expect(
        listed
          .get(longUrl)
          ?.map(slotOf)
          .every((slot) => first.slots.includes(slot)),
      ).to.equal(true);
    }
    for (const { longUrl, answer } of made) expect(listed.get(longUrl), answer.text).to.have.length(1);
  });

  it('gives a link with rules another key, if nobody owns it: it is in no list', async () => {
    const cuts = loseAnswers(Infinity);
    const made: Answer[] = [];
    do {
      const body = { long_url: 'https://example.com/ruled', noindex: true };
      made.push(...(await Promise.all(Array.from({ length: 20 }, async () => shorten(mapper.url, body)))));
    } while (cuts.count === 0);
    const keys = made.map((answer) => String(answer.json()['unique_id']));
    expect(made.map(({ status }) => status)).to.deep.equal(made.map(() => 201));
    expect(new Set(keys).size).to.equal(keys.length);
    first.proxy.heal();
    expect(await world.rows(keys)).to.have.lengthOf(keys.length);
  });

  it('makes other links on other servers meanwhile', async () => {
    await makeUntilLost(loseAnswers(Infinity));
    for (const { answer } of await Promise.all(Array.from({ length: 50 }, make)))
      expect(answer.status).to.equal(201);
    expect((await shorten(mapper.url, { long_url: 'https://example.com/plain' })).status).to.equal(201);
    expect(await degraded()).to.not.include('"urls-1 writes"');
  });
});
