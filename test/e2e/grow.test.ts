import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { POOL_KEY } from '../../db/redis/redis-keys.ts';
import { RunDir } from '../../scripts/cluster/run-dir.ts';
import { SMALL_SHAPE } from '../../scripts/cluster/shape.ts';
import { State } from '../../scripts/cluster/state.ts';
import type { Plan } from '../../scripts/grow/plan.ts';
import { STEPS, type StepName } from '../../scripts/grow/steps.ts';
import { signalProcess } from '../../scripts/servers/identity.ts';
import { createRandom } from '../../runtime/random.ts';
import type { DrillReport } from '../../drills/report.ts';
import { IS_LONG } from '../long.ts';
import { until } from '../until.ts';
import { TestCluster } from './cluster.ts';

interface Audit {
  readonly balanced: boolean;
  readonly leaked: number;
  readonly duplicates: number;
  readonly bound: number;
}

/** The first steps of `keymill grow`, killed, repeated and undone. The rest takes minutes: `--long`. */
describe('growing a small cluster', function () {
  this.timeout(IS_LONG ? 1_200_000 : 300_000);
  const seed = Date.now() % 2 ** 31;
  const random = createRandom(seed);
  const cluster = new TestCluster('grow');
  const links: string[] = [];

  before(async () => cluster.must('up', '--small', '--detach'));

  after(async () => cluster.destroy());

  /** Makes a link at each mapper, and follows all links so far at each. */
  async function expectServed(): Promise<void> {
    for (const { id, url } of cluster.file.mappers) {
      const made = await fetch(`${url}/urls`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ long_url: `https://example.com/${links.length}` }),
      });
      expect(made.status, `${id}: ${await made.clone().text()}`).to.equal(201);
      links.push(((await made.json()) as { unique_id: string }).unique_id);
    }
    for (const { url } of cluster.file.mappers)
      for (const [index, key] of links.entries()) {
        const { status, headers } = await fetch(`${url}/${key}`, { redirect: 'manual' });
        expect({ status, to: headers.get('location') }).to.deep.equal({
          status: 302,
          to: `https://example.com/${index}`,
        });
      }
  }

  /** Starts the command, and kills it by SIGKILL somewhere in its work. */
  async function killed(longestMs: number, ...args: string[]): Promise<void> {
    const { child, done } = cluster.start('keymill', 'grow', ...args);
    const timer = setTimeout(() => child.kill('SIGKILL'), 300 + random() * longestMs);
    await done;
    clearTimeout(timer);
  }

  const record = (): State => State.open(new RunDir(cluster.runDir));
  const plan = async (...args: string[]): Promise<Plan> => cluster.keymill<Plan>('grow', ...args);
  const isDone = ({ steps }: Plan, name: StepName): boolean =>
    steps.find((step) => step.name === name)?.state === 'done';

  /** One look at a mapper that is busy, or has just begun to serve, keeps no step waiting. */
  async function laterWithALateMapper(step: StepName): Promise<void> {
    const mapper = record().findRunning('mapper-2');
    if (mapper === undefined) throw new Error('mapper-2 does not run');
    signalProcess(mapper, 'SIGSTOP');
    const { done, output } = cluster.start('keymill', 'grow', '--step', step);
    try {
      await until('the step to wait', () => output().includes('mapper-2 is not ready'), {
        timeoutMs: 30_000,
      });
    } finally {
      signalProcess(mapper, 'SIGCONT');
    }
    expect(await done, output()).to.include({ code: 0 });
  }

  it(`a step that was killed is repeated, and undone (seed ${seed})`, async () => {
    await expectServed();
    const before = cluster.file;
    await killed(2_000, '--step', 'mapper');
    expect(isDone(await plan('--step', 'mapper'), 'mapper')).to.equal(true);
    expect(cluster.file.mappers.map(({ id }) => id)).to.deep.equal(['mapper-1', 'mapper-2']);
    await expectServed();
    await laterWithALateMapper('memory');
    await cluster.keymill('grow', '--undo', 'memory');
    await killed(1_000, '--step', 'memory');
    expect(isDone(await plan('--step', 'memory'), 'memory')).to.equal(true);
    expect(cluster.file.mysql).to.deep.equal(before.mysql);
    expect(cluster.file.mappers[0]).to.deep.equal(before.mappers[0]);

    await killed(1_000, '--undo', 'memory');
    await plan('--undo', 'memory');
    await killed(2_000, '--undo', 'mapper');
    // Until the step is repeated, the mapper that it stops may have ended by itself.
    const ending = record().findRunning('mapper-2');
    if (ending !== undefined) signalProcess(ending, 'SIGKILL');
    expect(await plan('--undo', 'mapper'))
      .to.include({ next: 'mapper' })
      .and.to.not.have.property('undo');
    const { mappers, folder: _, ...now } = cluster.file;
    expect({ ...now, mappers: mappers.map(({ id }) => id) }).to.deep.equal({
      ...now,
      redis: before.redis,
      mysql: before.mysql,
      keysDbs: [],
      producers: [],
      mappers: ['mapper-1'],
      keySource: 'counter',
    });
    await expectServed();
  });

  it('undoes a step that was killed at its record, or whose servers are in part gone', async () => {
    const before = cluster.file.mappers;
    const beginStores = (): void => {
      record().recordGrowth({ unfinished: { step: 'stores', way: 'grow' } });
      record().recordShape({ keysDbs: 4, redis: 3, zookeepers: 0, mysqlServers: 1 });
    };
    beginStores();
    await plan('--undo', 'stores');
    expect(cluster.file.keysDbs).to.deep.equal([]);

    beginStores();
    await cluster.must('up', '--detach');
    expect(cluster.file.mappers, 'a half-done step restarts nobody').to.deep.equal(before);
    const [first, second, third] = cluster.file.redis.map(({ url }) => new Redis(url, { lazyConnect: true }));
    try {
      await second?.lpush(POOL_KEY, links[1] ?? '');
      second?.disconnect();
      await third?.lpush(POOL_KEY, links[0] ?? '');
      third?.disconnect();
      const gone = record().findRunning('redis-2');
      if (gone !== undefined) signalProcess(gone, 'SIGKILL');
      await plan('--undo', 'stores');
      expect(await first?.lrange(POOL_KEY, 0, -1)).to.have.members(links.slice(0, 2));
      await first?.del(POOL_KEY);
    } finally {
      first?.disconnect();
    }
    expect(cluster.file.redis).to.have.lengthOf(1);
    expect(cluster.file.mappers).to.deep.equal(before);
    await expectServed();
  });

  it('refuses a step before its turn, and what it cannot undo', async () => {
    const early = await cluster.run('keymill', 'grow', '--step', 'pools');
    expect(early).to.include({ code: 1 });
    expect(early.stderr).to.include('pools must wait: after mapper');
    const small = await cluster.run('keymill', 'grow', '--undo');
    expect(small).to.include({ code: 1 });
    expect(small.stderr).to.include('the cluster is a small one');
    // A person has ended the second mapper, and the first one has the settings of a larger cluster.
    const config = record().configOf('mapper-1') ?? '';
    record().recordConfig('mapper-1', 'those of a larger cluster');
    for (const [step, made] of [
      ['memory', (): void => record().recordSetup({ memory: 'full' })],
      ['zookeeper', (): void => record().recordShape({ ...SMALL_SHAPE, zookeepers: 3 })],
    ] as const) {
      record().recordGrowth({});
      made();
      const before = readFileSync(new RunDir(cluster.runDir).stateFile, 'utf8');
      const alone = await cluster.run('keymill', 'grow', '--undo', step);
      expect(alone).to.include({ code: 2 });
      expect(alone.stderr).to.include('no other mapper would serve meanwhile');
      const { up: _, ...after } = JSON.parse(readFileSync(new RunDir(cluster.runDir).stateFile, 'utf8'));
      expect(after).to.deep.equal(JSON.parse(before));
      record().recordSetup({ memory: 'small' });
      record().recordShape(SMALL_SHAPE);
    }
    record().recordGrowth(undefined);
    record().recordConfig('mapper-1', config);
  });

  if (!IS_LONG) return;

  it('becomes a full cluster, is one after a restart, and becomes small again; the audit balances', async () => {
    for (const round of [1, 2]) {
      const full = await plan('--yes');
      expect(full.steps.every(({ state }) => state === 'done')).to.equal(true);
      await expectServed();
      expect(await cluster.keymill<Audit>('audit')).to.include({ balanced: true, leaked: 0, duplicates: 0 });
      if (round === 1) {
        await cluster.must('down');
        await cluster.must('up', '--detach');
        // The numbers of the full cluster are those of its first start.
        expect((await plan()).steps.filter(({ state }) => state !== 'done')).to.deep.equal([]);
        await expectServed();
      }
      for (const step of STEPS.toReversed()) {
        await plan('--undo', step);
        await expectServed();
      }
      const { producers, redis, zookeeper, keysDbs } = cluster.file;
      expect({ producers, connect: zookeeper.connect, redis: redis.length }).to.deep.equal({
        producers: [],
        connect: '',
        redis: 1,
      });
      // Links have keys of them.
      expect(keysDbs).to.have.lengthOf(4);
      const audit = await cluster.keymill<Audit>('audit');
      expect(audit).to.include({ balanced: true, leaked: 0, duplicates: 0, bound: links.length });
      await cluster.must('down');
      await cluster.must('up', '--detach');
      await expectServed();
    }
  });

  it('the drill: up, down and up again under load, with a kill in every step', async () => {
    const { stdout } = await cluster.run('keymill', 'drill', 'grow', '--seed', String(seed), '--json');
    const report = JSON.parse(stdout) as DrillReport;
    expect(report.violations).to.deep.equal([]);
    expect(report).to.include({
      passed: true,
      failed: 0,
      redirectsFailed: 0,
      lost: 0,
      duplicates: 0,
      leaked: 0,
    });
  });
});
