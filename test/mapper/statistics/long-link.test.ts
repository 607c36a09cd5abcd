import { expect } from 'chai';
import { DIMENSIONS, MONTH_ITSELF } from '../../../db/clicks/dimensions.ts';
import { slotOf } from '../../../db/keyspace/placement.ts';
import { toSqlDay, toSqlHour } from '../../../db/clicks/sql-times.ts';
import { firstDayOf, monthOfDay } from '../../../mapper/statistics/zone.ts';
import { ALL_SLOTS } from '../../../runtime/config/slots.ts';
import { createRandom } from '../../../runtime/random.ts';
import { sketchOf } from '../api/counted-clicks.ts';
import { People } from '../api/people.ts';
import { IS_LONG } from '../../long.ts';
import { createWorld } from '../world.ts';
import { PrivateServer } from './private-server.ts';
import { anyQuestion, Asker, timesOf } from './questions.ts';

const [DAYS, QUESTIONS] = IS_LONG ? [3 * 365, 1_000] : [70, 20];
const CLICKS_A_DAY = Math.round(10_000_000 / (3 * 365));
const VALUES = 200;
/** Of the values of a day, those that other days have too. */
const USUAL_VALUES = 120;
const HOURS_DAYS = 90;
const KEY = 'a-long-life';
const SEED = Number(process.env['KEYMILL_TEST_SEED'] ?? 20_261_128);

/**
 * A link with 10 million clicks over three years, and 200 values a day and dimension; without `--long`, 70
 * days of it. On a busy machine the times say little, so only those of `--long` are compared with the goals.
 */
describe('a link that was followed for three years', () => {
  let server: PrivateServer;
  let asker: Asker;
  const stack = new AsyncDisposableStack();

  before(async function () {
    this.timeout(600_000);
    server = stack.use(await PrivateServer.start());
    await fill(server);
    const world = stack.use(await createWorld({ hasUsers: true, databases: 1 }));
    const people = stack.use(new People(world.usersUrl));
    const owner = await people.person();
    const mapper = await world.start({
      stores: { urlsDbs: [{ name: 'urls-1', url: server.url, slots: ALL_SLOTS }] },
    });
    await server.db.execute(
      `INSERT INTO urls (slot, unique_id, original_url, created_at, request_id, user_id) VALUES (?, ?, 'https://example.com/', '2020-01-01', ?, ?)`,
      [slotOf(KEY), KEY, Buffer.alloc(16, 1), owner.id],
    );
    asker = stack.use(new Asker(mapper.url, (await people.key(owner, ['stats:read'])).key));
  });

  after(async () => stack.disposeAsync());

  it('answers any question in 50 ms, and 250 ms after a restart of its server', async function () {
    this.timeout(300_000);
    const random = createRandom(SEED);
    const queries = Array.from({ length: QUESTIONS }, () => anyQuestion(random, DAYS));
    for (const query of queries.slice(0, 20)) await asker.ask(`/urls/${KEY}/stats${query}`);
    const slow: string[] = [];
    const samples: number[] = [];
    const [ofServer, own] = [server.cpuMs, process.cpuUsage()];
    for (const query of queries) {
      const { ms } = await asker.ask(`/urls/${KEY}/stats${query}`);
      samples.push(ms);
      if (ms > 50) slow.push(`${ms.toFixed(0)} ms ${query}`);
    }
    const { user, system } = process.cpuUsage(own);
    const cpu = {
      server: ((server.cpuMs - ofServer) / QUESTIONS).toFixed(1),
      mapper: ((user + system) / 1_000 / QUESTIONS).toFixed(1),
    };
    const warm = timesOf(samples);
    const colds: number[] = [];
    for (let round = 0; round < (IS_LONG ? 20 : 1); round += 1) {
      await server.restartCold();
      await untilAnswered(asker);
      colds.push((await asker.ask(`/urls/${KEY}/stats${queries[round]}`)).ms);
    }
    const cold = timesOf(colds);
    process.stdout.write(
      `      seed ${SEED}; warm ${JSON.stringify(warm)}, cold ${JSON.stringify(cold)} ms; CPU ${JSON.stringify(cpu)} ms a question\n`,
    );
    if (slow.length > 0) process.stdout.write(`      ${slow.slice(0, 10).join('\n      ')}\n`);
    if (!IS_LONG) return;
    expect(warm.p99).to.be.at.most(50);
    expect(cold.max).to.be.at.most(250);
  });

  it('has all clicks in every sum', async () => {
    const { body: byTime } = await asker.ask(`/urls/${KEY}/stats?unit=month`);
    expect(byTime['clicks']).to.deep.include({ total: DAYS * CLICKS_A_DAY });
    const { body: byOs } = await asker.ask(`/urls/${KEY}/stats?by=os`);
    const items = byOs['items'] as { humans: number; bots: number }[];
    expect(items).to.have.length(VALUES + 1);
    expect(items.reduce((sum, { humans, bots }) => sum + humans + bots, 0)).to.equal(DAYS * CLICKS_A_DAY);
  });
});

/**
 * Another link, and the connection of the mapper, are read before: only the questions of this one are cold.
 */
async function untilAnswered(asker: Asker): Promise<void> {
  for (;;) {
    try {
      await asker.ask('/stats');
      return;
    } catch (error) {
      if (!String(error).includes(' 503 ')) throw error;
    }
  }
}

async function fill(server: PrivateServer): Promise<void> {
  const today = Math.floor(Date.now() / 86_400_000);
  const first = today - DAYS + 1;
  const days = Array.from({ length: DAYS }, (_, n) => first + n);
  const of = `${slotOf(KEY)},'${KEY}'`;
  const hoursFrom = today - HOURS_DAYS + 1;
  await server.insert(
    'click_days',
    days.filter((day) => day < hoursFrom).map((day) => `${of},${toSqlDay(day)},${CLICKS_A_DAY},0`),
  );
  await server.insert(
    'click_hours',
    hoursOf(
      of,
      days.filter((day) => day >= hoursFrom),
    ),
  );
  await server.insert('click_values', valuesOf(of, days));
  await server.insert('click_months', monthsOf(of, first, today));
  await server.insert(
    'click_visitor_days',
    days.slice(0, -2).map((day) => `${of},${toSqlDay(day)},7000`),
  );
  const sketch = sketchOf(7_000).toBytes().toString('hex');
  const sources = ['m-1/a', 'm-1/b', 'm-2/a', 'm-2/b'];
  await server.insert(
    'click_visitors',
    days
      .slice(-2)
      .flatMap((day) => sources.map((source) => `${of},${toSqlDay(day)},'${source}',x'${sketch}'`)),
  );
}

function* hoursOf(of: string, days: readonly number[]): Generator<string> {
  const each = Math.floor(CLICKS_A_DAY / 24);
  for (const day of days)
    for (let hour = 0; hour < 24; hour += 1)
      yield `${of},${toSqlHour(day * 24 + hour)},${hour === 0 ? CLICKS_A_DAY - 23 * each : each},0`;
}

/** The clicks of a value on one day: the first values have more. The sum is that of the day. */
const COUNTS = (() => {
  const weights = Array.from({ length: VALUES }, (_, n) => 1 / (n + 1));
  const all = weights.reduce((sum, weight) => sum + weight, 0);
  const counts = weights.map((weight) => Math.max(1, Math.floor((weight * CLICKS_A_DAY) / all)));
  const rest = CLICKS_A_DAY - counts.reduce((sum, count) => sum + count, 0);
  return counts.with(0, (counts[0] ?? 0) + rest);
})();

function nameOf(index: number, day: number): string {
  return index < USUAL_VALUES ? `value-${index}.example` : `value-${index}-of-${day}.example`;
}

/** In the order of the primary key but for the values of a day, which are few. */
function* valuesOf(of: string, days: readonly number[]): Generator<string> {
  for (const dimension of dimensions())
    for (const day of days)
      for (const [index, count] of COUNTS.entries())
        yield `${of},${dimension},${toSqlDay(day)},'${nameOf(index, day)}',${count},0`;
}

function* monthsOf(of: string, first: number, today: number): Generator<string> {
  for (const dimension of [MONTH_ITSELF, ...dimensions()]) {
    for (let month = monthOfDay(first); month < monthOfDay(today - 2); month += 1) {
      const from = Math.max(first, firstDayOf(month));
      const days = firstDayOf(month + 1) - from;
      const day = toSqlDay(firstDayOf(month));
      if (dimension === MONTH_ITSELF) yield `${of},0,${day},'',${days * CLICKS_A_DAY},0`;
      else yield* monthValues(`${of},${dimension},${day}`, from, days);
    }
  }
}

/** 200 values: those of all days, some of single days, and the others together. */
function* monthValues(of: string, from: number, days: number): Generator<string> {
  let rest = days * CLICKS_A_DAY;
  for (const [index, count] of COUNTS.entries()) {
    const sum = index < USUAL_VALUES ? count * days : count;
    rest -= sum;
    yield `${of},'${nameOf(index, from)}',${sum},0`;
  }
  if (rest > 0) yield `${of},'(other)',${rest},0`;
}

function dimensions(): number[] {
  return Object.entries(DIMENSIONS).flatMap(([name, number]) => (name === 'link' ? [] : [number]));
}
