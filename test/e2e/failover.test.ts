import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { mostRounds } from '../most-rounds.ts';
import { until } from '../until.ts';
import { TestCluster, untilNothingRuns } from './cluster.ts';
import { Observer, type Lock } from './observer.ts';

/** `up` sets a session timeout of 2 s and a tick of 500 ms. */
const SESSION_TIMEOUT_MS = 2_000;
const TICK_MS = 500;

describe('a cluster of 4 keys-dbs and producers of capacity 2', function () {
  this.timeout(400_000);
  const cluster = new TestCluster('failover');
  let observer: Observer;

  before(async () => {
    await cluster.must('up', '--detach');
    observer = await Observer.open(cluster);
  });

  after(async () => {
    await observer[Symbol.asyncDispose]();
    await cluster.destroy();
    await untilNothingRuns(cluster);
  });

  it('has one holder for every shard, and at most 2 shards for each of three producers', async () => {
    await observer.untilSpread(2, 1, 1);
  });

  it('is balanced again after a fourth producer joins and after it leaves, with the fewest moves', async () => {
    const three = await observer.holders();
    await cluster.must('up', '--detach', '--producers', '4');
    await observer.untilSpread(1, 1, 1, 1);
    const four = await observer.holders();
    expect(movesBetween(three, four)).to.equal(1);
    await cluster.must('up', '--detach', '--producers', '3');
    await observer.untilSpread(2, 1, 1);
    expect(movesBetween(four, await observer.holders())).to.equal(1);
  });

  it('frees the lock within 100 ms and is ready within 1 s when a worker is killed', async () => {
    const rounds = await measured({ freeMs: 100, readyMs: 1_000 }, async () => {
      const round = await observer.measure('keys-db-1', (lock) => process.kill(lock.pid, 'SIGKILL'));
      await observer.untilSpread(2, 1, 1);
      return round;
    });
    // Without the supervisor it would always take the session timeout.
    expect(Math.max(...rounds.map(({ freeMs }) => freeMs))).to.be.below(SESSION_TIMEOUT_MS / 2);
  });

  it('is ready within session timeout, one tick and 1 s when supervisor and worker are killed', async () => {
    await measured({ freeMs: Infinity, readyMs: SESSION_TIMEOUT_MS + TICK_MS + 1_000 }, async () => {
      const round = await observer.measure('keys-db-2', (lock) => {
        process.kill(supervisorOf(lock), 'SIGKILL');
        process.kill(lock.pid, 'SIGKILL');
      });
      await cluster.must('up', '--detach');
      await observer.untilSpread(2, 1, 1);
      return round;
    });
  });

  it('hands over within 300 ms on SIGTERM', async () => {
    await measured({ freeMs: 300, readyMs: Infinity }, async () => {
      const round = await observer.measure('keys-db-3', (lock) =>
        process.kill(supervisorOf(lock), 'SIGTERM'),
      );
      await cluster.must('up', '--detach');
      await observer.untilSpread(2, 1, 1);
      return round;
    });
  });

  it('takes over from a worker that is stopped beyond the timeout and ends its reign when it continues', async () => {
    const before = await observer.lock('keys-db-4');
    if (before === undefined) throw new Error('keys-db-4 has no holder');
    process.kill(before.pid, 'SIGSTOP');
    try {
      const epochOfOther = async (): Promise<number | false> => {
        const now = await observer.lock('keys-db-4');
        return now !== undefined && now.session !== before.session && (now.epoch ?? false);
      };
      const epoch = await until('another holder', epochOfOther, {
        timeoutMs: SESSION_TIMEOUT_MS + TICK_MS + 3_000,
      });
      expect(epoch).to.be.greaterThan(before.epoch ?? 0);
    } finally {
      process.kill(before.pid, 'SIGCONT');
    }
    await observer.untilSpread(2, 1, 1);
    const now = await observer.lock('keys-db-4');
    expect(now?.session).not.to.equal(before.session);
  });

  it('keeps its data, its ports and its balance after down and up', async () => {
    const before = cluster.file;
    const link = await shorten(before.mappers[0]?.url ?? '', 'https://example.com/survives');
    await observer[Symbol.asyncDispose]();
    await cluster.must('down');
    expect(cluster.leftovers()).to.deep.equal([]);
    expect(cluster.isDescribed).to.equal(false);
    await cluster.must('up', '--detach');
    observer = await Observer.open(cluster);
    await observer.untilSpread(2, 1, 1);
    expect(withoutPids(cluster.file)).to.deep.equal(withoutPids(before));
    for (const { url } of cluster.file.mappers) {
      const answer = await fetch(`${url}/${link}`, { redirect: 'manual' });
      expect(answer.headers.get('location')).to.equal('https://example.com/survives');
    }
  });

  function supervisorOf({ owner }: Lock): number {
    return cluster.file.producers.find(({ id }) => id === owner)?.supervisorPid ?? 0;
  }
});

function movesBetween(
  before: Map<string, string | undefined>,
  after: Map<string, string | undefined>,
): number {
  return [...before].filter(([shard, owner]) => after.get(shard) !== owner).length;
}

interface Times {
  readonly freeMs: number;
  readonly readyMs: number;
}

async function measured(bounds: Times, round: () => Promise<Times>): Promise<Times[]> {
  const play = async (): Promise<Times> => {
    // A worker that dies right after its start is restarted with a back-off.
    await delay(200);
    return round();
  };
  return mostRounds(play, ({ freeMs, readyMs }) => freeMs <= bounds.freeMs && readyMs <= bounds.readyMs);
}

async function shorten(mapper: string, longUrl: string): Promise<string> {
  const answer = await fetch(`${mapper}/urls`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ long_url: longUrl }),
  });
  expect(answer.status).to.equal(201);
  return ((await answer.json()) as { unique_id: string }).unique_id;
}

function withoutPids(file: unknown): unknown {
  return JSON.parse(
    JSON.stringify(file, (name, value: unknown) => (/pid$/i.test(name) ? undefined : value)),
  ) as unknown;
}
