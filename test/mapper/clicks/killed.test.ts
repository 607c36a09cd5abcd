import type { ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { Connection } from '../../../bench/load/connection.ts';
import { formatRequest } from '../../../bench/load/requests.ts';
import { migrate } from '../../../db/mysql/migrate.ts';
import { openMysql } from '../../../db/mysql/mysql.ts';
import type { FaultyProxy } from '../../../drills/proxy/proxy.ts';
import { monotonicMs } from '../../../runtime/clock.ts';
import { ALL_SLOTS } from '../../../runtime/config/slots.ts';
import { createLog } from '../../../runtime/log.ts';
import { createRandom } from '../../../runtime/random.ts';
import { identityOf } from '../../../scripts/servers/identity.ts';
import { bindOwned, rowsOf } from '../../db/clicks-fixture.ts';
import { IS_LONG } from '../../long.ts';
import { testDatabase } from '../../servers.ts';
import { until } from '../../until.ts';
import { viaProxy } from '../faulty.ts';
import { processesOf, startMapperProcess, type MapperProcess } from '../mapper-process.ts';
import { createWorld, randomKeys } from '../world.ts';

const ROUNDS = Number(process.env['KEYMILL_TEST_RUNS'] ?? (IS_LONG ? 40 : 2));
const FLUSH_MS = 400;
/** How long a flush may be under way on a busy machine. A kill loses it too, unless it was committed. */
const LONGEST_FLUSH_MS = 1_000;
/** In the rounds with a slow server, each piece is so late: a flush then takes longer than `FLUSH_MS`. */
const LATE_MS = 150;
/** The latest kill at a random moment, after the first flush. */
const LONGEST_LIFE_MS = 1_500;
/** When a mapper is killed: one after the other. The last one only in the long form. */
const MOMENTS = ['any', 'answered', 'late'] as const;
const CONNECTIONS = 8;
const PAUSE_MS = 4;
const SEED = Number(process.env['KEYMILL_TEST_SEED'] ?? Math.floor(Math.random() * 1e9));
const log = createLog('test', 'killed', 'silent');

/** How often links were asked for, and when they were followed, in ms of the monotonic clock. */
class Followed {
  readonly sent = new Map<string, number>();
  readonly answers: { readonly key: string; readonly atMs: number }[] = [];

  answeredBefore(atMs: number): Map<string, number> {
    return Map.groupBy(
      this.answers.filter((answer) => answer.atMs < atMs),
      ({ key }) => key,
    )
      .entries()
      .reduce((counts, [key, answers]) => counts.set(key, answers.length), new Map<string, number>());
  }
}

describe(`clicks of a mapper of two processes that is killed (KEYMILL_TEST_SEED=${SEED})`, () => {
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  /** Follows links, until the mapper is killed. */
  async function follow({ url }: MapperProcess, keys: readonly string[], followed: Followed): Promise<void> {
    const followOn = async (first: number): Promise<void> => {
      const connection = await Connection.open(url);
      for (let turn = first; ; turn += 1) {
        const key = keys[turn % keys.length] ?? '';
        followed.sent.set(key, (followed.sent.get(key) ?? 0) + 1);
        const { status } = await connection.ask(formatRequest(url, `/${key}`));
        if (status === 302) followed.answers.push({ key, atMs: monotonicMs() });
        await delay(PAUSE_MS);
      }
    };
    // Each ends by the kill.
    await Promise.allSettled(Array.from({ length: CONNECTIONS }, async (_, first) => followOn(first)));
  }

  it('are short by those of one interval and one flush at most, and never too many', async () => {
    await using world = await createWorld({ databases: 1 });
    const direct = await testDatabase('urls-1');
    await migrate(direct, 'urls', log);
    const proxied = await viaProxy({ name: 'urls-1', url: direct });
    const sql = openMysql(direct, { name: 'test' });
    await using stack = new AsyncDisposableStack();
    stack.use(proxied.proxy);
    stack.defer(async () => sql.close());
    const stores = { redis: world.redis, urls: [{ ...proxied, slots: ALL_SLOTS }] };
    const random = createRandom(SEED);
    const losses: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const keys = randomKeys(6);
      const mapper = await startMapperProcess(stores, (child) => children.push(child), {
        KEYMILL_PROCESSES: '2',
        KEYMILL_CLICK_FLUSH_MS: String(FLUSH_MS),
      });
      for (const key of keys) await bindOwned(sql, key, null);
      const isOfRound = (row: readonly unknown[]): boolean => keys.includes(String(row[0]));
      const stored = async (): Promise<Map<string, number>> =>
        new Map(
          (await rowsOf(sql, 'click_totals'))
            .filter(isOfRound)
            .map(([key, humans, bots]) => [String(key), Number(humans) + Number(bots)]),
        );
      const followed = new Followed();
      const following = follow(mapper, keys, followed);
      await until('a flush', async () => (await stored()).size > 0);
      const moment = MOMENTS[round % MOMENTS.length];
      if (moment === 'any') await delay(random() * LONGEST_LIFE_MS);
      else if (moment === 'answered') await answerToFlush(proxied.proxy);
      else await lateFlush(proxied.proxy);
      const pids = [mapper.child.pid ?? 0, ...processesOf(mapper)];
      const killedAtMs = monotonicMs();
      for (const pid of pids) process.kill(pid, 'SIGKILL');
      await following;
      await until('its processes to end', () => pids.every((pid) => identityOf(pid) === undefined));
      proxied.proxy.heal();
      const counts = await stored();
      for (const [key, sent] of followed.sent)
        expect(counts.get(key) ?? 0, `clicks of ${key}`).to.be.at.most(sent);
      // When a flush takes longer than the interval, the next one begins at its end.
      const longestMs = moment === 'late' ? 2 * LONGEST_FLUSH_MS : LONGEST_FLUSH_MS;
      for (const [key, count] of followed.answeredBefore(killedAtMs - FLUSH_MS - longestMs))
        expect(counts.get(key) ?? 0, `clicks of ${key}`).to.be.at.least(count);
      losses.push(followed.answers.length - counts.values().reduce((sum, count) => sum + count, 0));
    }
    if (IS_LONG) process.stdout.write(`      lost by each kill: ${losses.join(', ')} clicks\n`);
  }).timeout(IS_LONG ? 900_000 : 300_000);
});

/**
 * Resolves when a slow server is about to get a flush with what was counted during the one before, and does
 * not get it: the moment at which most is lost.
 */
async function lateFlush(proxy: FaultyProxy): Promise<void> {
  proxy.delay(LATE_MS);
  // The flush of before ends, and the first slow one.
  await delay(2 * LONGEST_FLUSH_MS);
  proxy.silenceFrom(isFlush);
  await until('the next flush', () => proxy.isSilent);
}

/** Resolves when a server has answered a flush, and its mapper does not know. */
async function answerToFlush(proxy: FaultyProxy): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  proxy.whenAnswered(isFlush, resolve);
  await promise;
}

function isFlush(sent: Buffer): boolean {
  return sent[4] === 3 && sent.toString('latin1', 5, 22) === 'START TRANSACTION';
}
