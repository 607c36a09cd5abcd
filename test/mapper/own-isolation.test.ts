import { expect } from 'chai';
import { slotOf } from '../../db/keyspace/placement.ts';
import { until } from '../until.ts';
import { People } from './api/people.ts';
import { send, shorten, type Answer } from './client.ts';
import { createWorld, randomKeys, type TestMapper, type World } from './world.ts';

/** More than a mapper can read at a time. */
const SLOW_LISTS = 50;
/** A lock wait of a list or of an INSERT ends after a second. */
const SOON_MS = 500;

interface Timed {
  readonly answer: Answer;
  readonly ms: number;
}

async function timed(call: Promise<Answer>): Promise<Timed> {
  const startedAt = performance.now();
  const answer = await call;
  return { answer, ms: performance.now() - startedAt };
}

/** The median: other work of the machine may hold up single requests. */
function usualMs(requests: readonly Timed[]): number {
  return requests.map(({ ms }) => ms).sort((a, b) => a - b)[requests.length >> 1] ?? Infinity;
}

describe('slow requests for own links', () => {
  let world: World;
  let people: People;
  let mapper: TestMapper;
  let authorization: string;
  let links = 0;

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 2_000, hasUsers: true });
    people = new People(world.usersUrl);
    const { key } = await people.key(await people.person(), ['links:read', 'links:write']);
    authorization = `Bearer ${key}`;
    mapper = await world.start({ reserve: 64 });
    // The first request opens connections.
    for (let request = 0; request < 20; request += 1) await Promise.all([plain(), owned(), list()]);
  });

  afterEach(async () => {
    for (const { sql } of world.urls) await sql.query('UNLOCK TABLES');
    await until('recovery', async () => (await degraded()) === '[]');
  });

  after(async function () {
    this.timeout(60_000);
    await people[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  async function degraded(): Promise<string> {
    return JSON.stringify((await send('GET', `${mapper.adminUrl}/readyz`)).json()['degraded']);
  }

  async function plain(): Promise<Timed> {
    return timed(shorten(mapper.url, { long_url: `https://example.com/${(links += 1)}` }));
  }

  async function owned(fields: object = {}): Promise<Timed> {
    const body = { long_url: `https://example.com/${(links += 1)}`, ...fields };
    return timed(shorten(mapper.url, body, { authorization }));
  }

  async function change(key: string): Promise<Timed> {
    const body = JSON.stringify({ long_url: `https://example.com/${(links += 1)}` });
    const headers = { authorization, 'content-type': 'application/json' };
    return timed(send('PATCH', `${mapper.url}/urls/${key}`, { headers, body }));
  }

  async function list(query = ''): Promise<Timed> {
    return timed(send('GET', `${mapper.url}/urls${query}`, { headers: { authorization } }));
  }

  /** Locks a table of all urls servers that lists read. */
  async function lock(table: string): Promise<void> {
    for (const { sql } of world.urls) await sql.query(`LOCK TABLES ${table} WRITE`);
  }

  it('do not hold up shortens and changes', async () => {
    const { answer } = await owned();
    const key = String(answer.json()['unique_id']);
    await lock('slots');
    const lists = Array.from({ length: SLOW_LISTS }, async () => list());
    const answers: Timed[] = [];
    for (let round = 0; round < 10; round += 1) {
      answers.push(...(await Promise.all([plain(), owned(), change(key)])));
      expect(await degraded()).to.equal('[]');
    }
    for (const { answer: made } of answers) expect(made.status).to.be.oneOf([200, 201]);
    expect(usualMs(answers)).to.be.lessThan(SOON_MS);
    for (const { answer: page } of await Promise.all(lists)) expect(page.status).to.equal(503);
  });

  it('say nothing about the writes of links without an owner', async () => {
    await world.urls[0]?.sql.query('LOCK TABLES link_tags WRITE');
    const slow = Array.from({ length: 40 }, async () => owned({ tags: ['a'] }));
    const aliases = randomKeys(30).filter((key) => world.urls[0]?.slots.includes(slotOf(key)));
    const refused = aliases.slice(0, 3).map(async (key) => owned({ tags: ['a'], custom_alias: key }));
    const startedAt = performance.now();
    while (performance.now() - startedAt < 2_500) expect(await degraded()).to.not.include('urls-1 writes');
    const made = await Promise.all(Array.from({ length: 50 }, plain));
    for (const { answer } of made) expect(answer.status).to.equal(201);
    expect(usualMs(made)).to.be.lessThan(SOON_MS);
    await world.urls[0]?.sql.query('UNLOCK TABLES');
    for (const { answer } of await Promise.all(slow)) expect(answer.status).to.equal(201);
    for (const { answer } of await Promise.all(refused)) expect(answer.status).to.equal(503);
  });
});
