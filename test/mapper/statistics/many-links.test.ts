import { expect } from 'chai';
import { toSqlDay, toSqlHour } from '../../../db/clicks/sql-times.ts';
import { DIMENSIONS, type Dimension } from '../../../db/clicks/dimensions.ts';
import { slotOf } from '../../../db/keyspace/placement.ts';
import { ALL_SLOTS } from '../../../runtime/config/slots.ts';
import { createRandom } from '../../../runtime/random.ts';
import { People, type Person } from '../api/people.ts';
import { IS_LONG } from '../../long.ts';
import { createWorld } from '../world.ts';
import { PrivateServer } from './private-server.ts';
import { anyQuestion, Asker, timesOf, type Times } from './questions.ts';

const SCALE = Number(process.env['KEYMILL_TEST_SCALE'] ?? (IS_LONG ? 1 : 0.002));
const CLICKS = 10_000_000 * SCALE;
/** More clicks than usual are clicks of the usual links. */
const [LINKS, OWNERS] = [100_000, 1_000].map((usual) => usual * Math.min(1, SCALE)) as [number, number];
const DAYS = 90;
const QUESTIONS = IS_LONG ? 500 : 20;
const SEED = Number(process.env['KEYMILL_TEST_SEED'] ?? 20_261_128);

/** How many values of a dimension there are. */
const VALUES: Readonly<Record<Exclude<Dimension, 'link'>, number>> = {
  referrer: 150,
  country: 60,
  language: 30,
  browser: 10,
  os: 8,
  device: 3,
};

interface TestLink {
  readonly key: string;
  readonly slot: number;
  /** The n-th owner. */
  readonly owner: number;
  /** Clicks of all days. */
  readonly clicks: number;
}

/**
 * 10 million clicks over 100,000 links of 1,000 owners in 90 days, by Zipf; without `--long`, a 500th of it.
 * KEYMILL_TEST_SCALE: another share, 10 for 100 million. Only the times of `--long` are compared with the
 * goals.
 */
describe('clicks of many links', () => {
  let server: PrivateServer;
  let base: string;
  let people: People;
  let owners: Person[];
  const links = makeLinks();
  const stack = new AsyncDisposableStack();

  before(async function () {
    this.timeout(3_600_000);
    server = stack.use(await PrivateServer.start());
    const world = stack.use(await createWorld({ hasUsers: true, databases: 1 }));
    people = stack.use(new People(world.usersUrl));
    owners = [];
    for (let index = 0; index < OWNERS; index += 1) owners.push(await people.person());
    const urlsDbs = [{ name: 'urls-1', url: server.url, slots: ALL_SLOTS }];
    base = (await world.start({ stores: { urlsDbs } })).url;
    await fill(
      server,
      links,
      owners.map(({ id }) => id),
    );
  });

  after(async function () {
    this.timeout(60_000);
    await stack.disposeAsync();
  });

  it('are answered in 50 ms for a link, 200 for an owner, 50 for a list with totals', async function () {
    this.timeout(600_000);
    const random = createRandom(SEED);
    const taken: Record<'link' | 'owner' | 'list', number[]> = { link: [], owner: [], list: [] };
    for (let round = 0; round < QUESTIONS; round += 1) {
      const link = links[Math.floor(links.length ** random()) - 1] as TestLink;
      const owner = owners[link.owner] as Person;
      using asker = new Asker(base, (await people.key(owner, ['stats:read', 'links:read'])).key);
      // Reads who asks, and opens the connection.
      await asker.ask('/urls?limit=1');
      taken.link.push((await asker.ask(`/urls/${link.key}/stats${anyQuestion(random, DAYS)}`)).ms);
      taken.owner.push((await asker.ask(`/stats${anyQuestion(random, DAYS)}`)).ms);
      taken.list.push((await asker.ask('/urls?limit=50')).ms);
    }
    const times = Object.fromEntries(
      Object.entries(taken).map(([what, samples]) => [what, timesOf(samples)]),
    );
    process.stdout.write(`      seed ${SEED}, ${CLICKS} clicks: ${JSON.stringify(times)} ms\n`);
    const [ofLinks, ofOwners] = [await server.bytesOf('click%'), await server.bytesOf('owner\\_%')];
    const [row] = await server.db.query<{ days: number }>(
      'SELECT COUNT(*) AS days FROM click_visitor_days',
      [],
      { timeoutMs: 60_000 },
    );
    const days = row?.days ?? 0;
    const each = (bytes: number): number => Math.round(bytes / days);
    process.stdout.write(
      `      ${days} days of links; bytes of each: ${each(ofLinks)}, and of owners ${each(ofOwners)}\n`,
    );
    if (!IS_LONG) return;
    const goals: Readonly<Record<string, number>> = { link: 50, owner: 200, list: 50 };
    for (const [what, { p99 }] of Object.entries<Times>(times))
      expect(p99, what).to.be.at.most(goals[what] ?? 0);
  });
});

/** The first ones are followed most. Each owner has as many as the others. */
function makeLinks(): TestLink[] {
  const all = Array.from({ length: LINKS }, (_, n) => 1 / (n + 1)).reduce((sum, weight) => sum + weight, 0);
  return Array.from({ length: LINKS }, (_, n) => {
    const key = `link-${n.toString(36)}`;
    return {
      key,
      slot: slotOf(key),
      owner: n % OWNERS,
      clicks: Math.max(1, Math.round(CLICKS / (n + 1) / all)),
    };
  });
}

async function fill(
  server: PrivateServer,
  links: readonly TestLink[],
  ids: readonly bigint[],
): Promise<void> {
  const ordered = links.toSorted((a, b) => a.slot - b.slot || (a.key < b.key ? -1 : 1));
  const own = ordered.map(({ slot, key, owner }) => ({ slot, key, id: ids[owner] as bigint }));
  await server.insert(
    'urls (slot, unique_id, original_url, created_at, request_id, user_id)',
    own.map(
      ({ slot, key, id }) => `${slot},'${key}','https://example.com/','2026-01-01','${'x'.repeat(16)}',${id}`,
    ),
  );
  await server.insert(
    'owned',
    own.map(({ slot, key, id }) => `${id},'2026-01-01','${key}',${slot},'${'x'.repeat(16)}'`),
  );
  await server.insert(
    'click_totals',
    ordered.map(({ slot, key, clicks }) => `${slot},'${key}',${clicks},0`),
  );
  const first = Math.floor(Date.now() / 86_400_000) - DAYS + 1;
  await server.insert('click_hours', hoursOf(ordered, first));
  await server.insert('click_values', valuesOf(ordered, first));
  await server.insert('click_visitor_days', visitorsOf(ordered, first));
  const statement = async (sql: string): Promise<void> => {
    await server.db.execute(sql, [], { timeoutMs: 1_800_000 });
  };
  const join = 'JOIN urls u ON u.slot = c.slot AND u.unique_id = c.unique_id';
  const sums = 'SUM(c.humans), SUM(c.bots)';
  await statement(
    `INSERT INTO owner_hours SELECT u.user_id, c.hour, ${sums} FROM click_hours c ${join} GROUP BY 1, 2`,
  );
  await statement(
    `INSERT INTO owner_values SELECT u.user_id, c.dimension, c.day, c.value, ${sums} FROM click_values c ${join} GROUP BY 1, 2, 3, 4`,
  );
  await statement(
    `INSERT INTO owner_values SELECT u.user_id, ${DIMENSIONS.link}, DATE(c.hour), c.unique_id, ${sums} FROM click_hours c ${join} GROUP BY 1, 2, 3, 4`,
  );
  await statement(
    `INSERT INTO owner_visitor_days SELECT u.user_id, c.day, SUM(c.visitors) FROM click_visitor_days c ${join} GROUP BY 1, 2`,
  );
}

/** How many of a link's clicks are on its n-th day: evenly, and fewer than one a day on some days. */
function ofDay({ clicks, key }: TestLink, day: number): number {
  const offset = (key.charCodeAt(key.length - 1) * 7 + key.length * 13) % DAYS;
  const at = (day + offset) % DAYS;
  return Math.floor((clicks * (at + 1)) / DAYS) - Math.floor((clicks * at) / DAYS);
}

function* hoursOf(links: readonly TestLink[], first: number): Generator<string> {
  for (const link of links)
    for (let day = 0; day < DAYS; day += 1) {
      const clicks = ofDay(link, day);
      for (let hour = 0; hour < 24; hour += 1) {
        const own = Math.floor((clicks * (hour + 1)) / 24) - Math.floor((clicks * hour) / 24);
        if (own > 0) yield `${link.slot},'${link.key}',${toSqlHour((first + day) * 24 + hour)},${own},0`;
      }
    }
}

function* valuesOf(links: readonly TestLink[], first: number): Generator<string> {
  for (const link of links)
    for (const [dimension, count] of Object.entries(VALUES) as [keyof typeof VALUES, number][])
      for (let day = 0; day < DAYS; day += 1) {
        const clicks = ofDay(link, day);
        const values = Math.min(clicks, count);
        for (let value = 0; value < values; value += 1) {
          const own = Math.floor((clicks * (value + 1)) / values) - Math.floor((clicks * value) / values);
          const name = `${dimension}-${(value + day + link.clicks) % count}`;
          yield `${link.slot},'${link.key}',${DIMENSIONS[dimension]},${toSqlDay(first + day)},'${name}',${own},0`;
        }
      }
}

function* visitorsOf(links: readonly TestLink[], first: number): Generator<string> {
  for (const link of links)
    for (let day = 0; day < DAYS; day += 1) {
      const clicks = ofDay(link, day);
      if (clicks > 0) yield `${link.slot},'${link.key}',${toSqlDay(first + day)},${Math.ceil(clicks * 0.7)}`;
    }
}
