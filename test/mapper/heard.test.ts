import { expect } from 'chai';
import { upperPercentile } from '../../runtime/statistics.ts';
import { IS_LONG } from '../long.ts';
import { until } from '../until.ts';
import { createHeardWorld, type HeardWorld } from './heard-world.ts';
import { processesOf, type MapperProcess } from './mapper-process.ts';

const RUNS = Number(process.env['KEYMILL_TEST_RUNS'] ?? (IS_LONG ? 10_000 : 200));
/** While a Redis is away. */
const RUNS_AWAY = IS_LONG ? RUNS : Math.ceil(RUNS / 4);
/** On a busy machine a process may not run for half a second. Then it is not waited for. */
const MOST_UNHEARD = 0.5;
const MOST_REFUSED = 0.05;
/** The time of one change, also while a Redis is away. Asserted of the median: machines are busy. */
const CHANGE_MS = 50;
const TTL_MS = 2_000;

interface Change {
  readonly target: string;
  /** What requests that were sent after the answer met instead: an old target, or a status but 503. */
  readonly old: readonly string[];
  /** Requests that were answered 503: on a busy machine the database does not answer in time. */
  readonly refused: number;
  readonly isHeardByAll: boolean;
  readonly tookMs: number;
}

/** Changes one of the links, and follows it on all processes immediately. */
async function change(world: HeardWorld, number: number): Promise<Change> {
  const key = world.keys[number % world.keys.length] ?? '';
  const target = `https://example.com/${number}-${Math.random()}`;
  const { isHeardByAll, tookMs } = await world.change(key, target);
  const others = (await world.follow(key)).filter((found) => found !== target);
  const old = others.filter((found) => found !== '503');
  return { target, old, refused: others.length - old.length, isHeardByAll, tookMs };
}

/** Changes links, and expects the new state of all that were heard. */
async function expectHeard(world: HeardWorld, times: number, when: string): Promise<void> {
  const all: Change[] = [];
  while (all.length < times) all.push(await change(world, all.length));
  const heard = all.filter(({ isHeardByAll }) => isHeardByAll);
  expect(heard.filter(({ old }) => old.length > 0)).to.deep.equal([]);
  expect(1 - heard.length / times, 'share of changes that not all heard').to.be.at.most(MOST_UNHEARD);
  const took = all.map(({ tookMs }) => tookMs);
  const [p50, p99] = [0.5, 0.99].map((share) => upperPercentile(took, share).toFixed(1));
  const refused = all.reduce((sum, one) => sum + one.refused, 0);
  report(
    `${when}: ${times} edits, ${times - heard.length} not heard by all, ${refused} redirects refused, ` +
      `p50 ${p50} ms, p99 ${p99} ms`,
  );
  expect(refused / times, 'redirects that were refused, for each edit').to.be.at.most(MOST_REFUSED);
  expect(Number(p50)).to.be.below(CHANGE_MS);
}

function report(story: string): void {
  if (IS_LONG) process.stdout.write(`    ${story}\n`);
}

describe('an edit of a link on one mapper, followed on two of two processes each', function () {
  this.timeout(IS_LONG ? 0 : 300_000);
  let world: HeardWorld;

  before(async () => {
    world = await createHeardWorld({ ttlMs: TTL_MS });
  });

  after(async () => world[Symbol.asyncDispose]());

  async function expectNotWaitedFor(when: string): Promise<void> {
    await until('the loss to be known', async () => (await change(world, 0)).tookMs < CHANGE_MS);
    await expectHeard(world, RUNS_AWAY, when);
  }

  it('is shown to every request that was sent after its announcement was heard', async () => {
    await expectHeard(world, RUNS, 'all four Redis');
  });

  it('is answered after half a second while a process is paused, and later ones do not wait for it', async () => {
    const pid = processesOf(world.mappers[0] as MapperProcess)[0] ?? 0;
    process.kill(pid, 'SIGSTOP');
    let first, next;
    try {
      first = await world.change(world.keys[0] ?? '', 'https://example.com/paused-1');
      next = await world.change(world.keys[0] ?? '', 'https://example.com/paused-2');
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    expect([first.isHeardByAll, next.isHeardByAll]).to.deep.equal([false, false]);
    expect(first.tookMs).to.be.within(450, 1_000);
    expect(next.tookMs).to.be.below(250);
    await until('it to be heard again', async () => (await change(world, 0)).isHeardByAll);
  });

  it('is heard by all while one Redis hangs, which is not waited for', async () => {
    await world.redis[0]?.pause();
    try {
      await expectNotWaitedFor('one Redis hangs');
    } finally {
      await world.redis[0]?.resume();
    }
  });

  it('is heard by all while one Redis is down, which is not waited for', async () => {
    await world.redis[1]?.kill();
    try {
      await expectNotWaitedFor('one Redis is down');
    } finally {
      await world.redis[1]?.restart();
    }
  });

  it('is shown within the time to live while every Redis is down, and nobody is said to have heard', async () => {
    for (const server of world.redis) await server.kill();
    try {
      const key = world.keys[0] ?? '';
      const { isHeardByAll, othersMayLagMs } = await world.change(key, 'https://example.com/bound');
      expect({ isHeardByAll, othersMayLagMs }).to.deep.equal({ isHeardByAll: false, othersMayLagMs: TTL_MS });
      const changedAt = performance.now();
      await until('the new target everywhere', async () =>
        (await world.follow(key)).every((found) => found === 'https://example.com/bound'),
      );
      const lagMs = performance.now() - changedAt;
      report(`every Redis is down: everywhere after ${lagMs.toFixed(0)} ms, time to live ${TTL_MS} ms`);
      expect(lagMs).to.be.below(TTL_MS + 1_000);
    } finally {
      for (const server of world.redis) await server.restart();
    }
    await until('the change to be heard again', async () => (await change(world, 0)).isHeardByAll);
  });
});

describe('an edit of a link that mappers have in a shared cache only', function () {
  this.timeout(IS_LONG ? 0 : 300_000);

  it('is shown to every request that was sent after its announcement was heard', async () => {
    await using world = await createHeardWorld({ isCacheShared: true });
    await expectHeard(world, RUNS_AWAY, 'shared cache');
  });
});
