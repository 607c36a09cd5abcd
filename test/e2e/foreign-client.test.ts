import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { isCoordinationError } from '../../coordinator/errors.ts';
import { releaseLock } from '../../coordinator/lock-view.ts';
import { lockPath, mapperPath, producerPath } from '../../coordinator/paths.ts';
import { migrate } from '../../db/mysql/migrate.ts';
import { askAdmin } from '../../runtime/admin-client.ts';
import { ALL_SLOTS, formatSlots } from '../../runtime/config/slots.ts';
import { ADMIN_TOKEN } from '../admin-token.ts';
import { shorten } from '../mapper/client.ts';
import { startMapperProcess, type MapperProcess } from '../mapper/mapper-process.ts';
import { runKeymill } from '../operator/run-keymill.ts';
import {
  log,
  testCluster,
  untilFilled,
  untilHeld,
  untilLogged,
  type Cluster,
  type Producer,
} from '../producer/cluster.ts';
import { testDatabase } from '../servers.ts';
import { until } from '../until.ts';

const T = 2_000;
const SHARDS = ['keys-db-1', 'keys-db-2'];
/** Debian's, which has Debian's python3-kazoo. Another one may be first on the PATH. */
const PYTHON = '/usr/bin/python3';

interface Answer {
  readonly error?: string;
  readonly acquired?: boolean;
  readonly won?: readonly number[];
}

/** The program kazoo-client.py, which talks to ZooKeeper through kazoo. */
class Foreigner implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  static async start(connect: string): Promise<Foreigner> {
    const program = new URL('kazoo-client.py', import.meta.url).pathname;
    const child = spawn(PYTHON, [program, connect], { stdio: ['pipe', 'pipe', 'inherit'] });
    const foreigner = new Foreigner(child);
    await foreigner.#answer();
    return foreigner;
  }

  private constructor(child: ChildProcess) {
    if (!child.stdout) throw new Error('kazoo-client.py has no stdout');
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  async tell(verb: string, command: Record<string, unknown> = {}): Promise<Answer> {
    this.#child.stdin?.write(`${JSON.stringify({ do: verb, ...command })}\n`);
    return this.#answer();
  }

  /** Like {@link tell}. @throws Error if kazoo answers with an error */
  async make(verb: string, command: Record<string, unknown>): Promise<Answer> {
    const answer = await this.tell(verb, command);
    if (answer.error !== undefined) throw new Error(`${verb} ${JSON.stringify(command)}: ${answer.error}`);
    return answer;
  }

  async #answer(): Promise<Answer> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('kazoo-client.py has ended');
    return JSON.parse(value) as Answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = new Promise((resolve) => {
      this.#child.once('exit', resolve);
    });
    this.#child.stdin?.end();
    await exited;
  }
}

describe('a foreign ZooKeeper client (kazoo)', function () {
  this.timeout(60_000);
  let cluster: Cluster;
  let foreigner: Foreigner;
  let urls: { name: string; url: string; slots: readonly number[] };
  let mapper: MapperProcess | undefined;
  const producers: Producer[] = [];

  before(async () => {
    const url = await testDatabase('urls-1');
    await migrate(url, 'urls', log);
    urls = { name: 'urls-1', url, slots: ALL_SLOTS };
    cluster = await testCluster({
      keysDbs: SHARDS.length,
      env: {
        KEYMILL_SESSION_TIMEOUT_MS: String(T),
        KEYMILL_URLS_DBS: `urls-1:${formatSlots(ALL_SLOTS)}=${url}`,
      },
    });
    foreigner = await Foreigner.start(cluster.env['KEYMILL_ZOOKEEPER'] ?? '');
  });

  after(async () => {
    await foreigner[Symbol.asyncDispose]();
    mapper?.child.kill('SIGTERM');
    await mapper?.exited;
    await cluster[Symbol.asyncDispose]();
  });

  /** Frees a shard as an operator does, if a producer of ours holds it. */
  async function free(shard: string): Promise<void> {
    const holder = (await cluster.locks()).get(shard);
    if (holder?.kind !== 'ours') return;
    try {
      await releaseLock(cluster.session, shard, holder.czxid);
    } catch (error) {
      // The holder has just published its epoch.
      if (isCoordinationError(error, 'BAD_VERSION')) await free(shard);
      else if (!isCoordinationError(error, 'NO_NODE')) throw error;
    }
  }

  /** Frees all shards, and waits until each is held again by a later reign. */
  async function expectTakeovers(): Promise<void> {
    for (const [index, shard] of SHARDS.entries()) {
      const epoch = (await cluster.keysDbs[index]?.ownership())?.epoch ?? 0;
      await free(shard);
      await untilHeld(cluster, shard, epoch);
    }
    await untilFilled(cluster);
  }

  /** What stops the recycling, as the first producer finds it whose reigns are all ready. */
  async function blockers(): Promise<string[]> {
    return until('a producer with a ready reign', async () => {
      for (const { admin } of (await cluster.members()).values()) {
        if (admin === null) continue;
        const { shards } = (await (await fetch(`${admin}/readyz`)).json()) as {
          shards: { ready: boolean }[];
        };
        if (shards.length === 0 || !shards.every(({ ready }) => ready)) continue;
        const question = { body: {}, timeoutMs: 20_000 };
        const answer = await askAdmin({ url: admin, token: ADMIN_TOKEN }, 'POST', '/recycle', question);
        return (answer as { unreachable: string[] }).unreachable;
      }
      return undefined;
    });
  }

  /** The output of a command, once every source has answered: on a busy machine one may be late. */
  async function keymill(...args: string[]): Promise<{ stdout: string; stderr: string }> {
    return until(`keymill ${args.join(' ')}`, async () => {
      const outcome = await runKeymill(args, cluster.env);
      return outcome.exitCode === 0 && !outcome.stderr.includes('unreachable') && outcome;
    });
  }

  function expectNothingCrashed(): void {
    for (const { id, supervisor, lines } of producers) {
      expect(supervisor.exitCode, id).to.equal(null);
      const deaths = lines.filter(({ msg }) => msg.includes('worker died') || msg === 'reign failed');
      expect(deaths, id).to.deep.equal([]);
    }
    expect(mapper?.child.exitCode ?? null).to.equal(null);
  }

  it('holds a lock: it is shown as foreign and respected, and a producer takes it afterwards', async () => {
    await foreigner.make('create', { path: lockPath('keys-db-2'), text: 'mine', ephemeral: true });
    producers.push(cluster.start('producer-1'), cluster.start('producer-2'));
    await untilHeld(cluster, 'keys-db-1');
    await untilFilled(cluster);
    const { stdout } = await keymill('locks', '--json');
    const { locks } = JSON.parse(stdout) as { locks: { owner: string | null }[] };
    expect(locks[1]?.owner).to.equal('foreign');
    const startMs = performance.now();
    await until('two session timeouts', async () => {
      expect((await cluster.locks()).get('keys-db-2')?.kind).to.equal('foreign');
      return performance.now() - startMs > 2 * T;
    });
    await foreigner.make('delete', { path: lockPath('keys-db-2') });
    expect((await untilHeld(cluster, 'keys-db-2')).kind).to.equal('ours');
    expectNothingCrashed();
  });

  it('contends for locks and wins some: the producers hold all of them when it stops', async () => {
    await foreigner.make('contend', { paths: SHARDS.map(lockPath) });
    await until(
      'kazoo to win each lock',
      async () => {
        for (const shard of SHARDS) await free(shard);
        const { won = [] } = await foreigner.tell('won');
        return won.every((times) => times > 0);
      },
      { timeoutMs: 30_000, everyMs: 50 },
    );
    await foreigner.make('relent', {});
    await expectTakeovers();
    expectNothingCrashed();
  });

  it("cannot queue below a lock of ours with kazoo's lock recipe, and does not disturb it", async () => {
    const before = await untilHeld(cluster, 'keys-db-1');
    const { error } = await foreigner.tell('lock', { path: lockPath('keys-db-1') });
    expect(error).to.equal('NoChildrenForEphemeralsError');
    expect((await untilHeld(cluster, 'keys-db-1')).czxid).to.equal(before.czxid);
  });

  it('squats the nodes of a producer and a mapper: both work, say so, and register afterwards', async () => {
    const squatted = [producerPath('producer-3'), mapperPath('mapper-1')];
    for (const path of squatted) await foreigner.make('create', { path, text: 'occupied', ephemeral: true });
    const third = cluster.start('producer-3');
    producers.push(third);
    mapper = await startMapperProcess({ redis: cluster.redis, urls: [urls] }, () => undefined, {
      ...cluster.env,
      KEYMILL_ID: 'mapper-1',
    });
    const { url, log: logOf } = mapper;
    await untilLogged(third, 'not registered yet');
    await until('the mapper to say so', () => logOf().includes('not registered yet'));
    expect((await shorten(url, { long_url: 'https://example.com/' })).status).to.equal(201);
    const { stderr } = await keymill('status');
    for (const path of squatted) expect(stderr).to.include(`foreign: ${path}`);
    expect(await blockers()).to.deep.equal(['mapper-1']);

    for (const path of squatted) await foreigner.make('delete', { path });
    await until('producer-3 to register', async () => (await cluster.members()).has('producer-3'));
    await until('the mapper to register', async () => (await blockers()).length === 0);
    expectNothingCrashed();
  });

  it('leaves children and garbage: all of it is named, nothing stops, and what blocks is told', async () => {
    const escape = '\u001b[31m';
    const garbage: Record<string, unknown>[] = [
      { text: '' },
      { text: 'not JSON' },
      { binary: true },
      { fill: 1_000_000 },
      { text: 'null' },
      { text: '[]' },
      { text: '['.repeat(100_000) },
      { text: JSON.stringify({ id: 7, capacity: 'many', admin: {} }) },
    ];
    // Shaped like the data of our members, with values that no member has.
    const lookalikes = [
      {
        path: producerPath('like ours'),
        data: { id: `${escape}x`, capacity: 1e15, owned: [escape, 7], low: [] },
      },
      {
        path: mapperPath('like ours'),
        data: { id: `${escape}x`, url: escape, admin: 'nowhere', host: escape },
      },
    ];
    const paths: string[] = [];
    for (const parent of [lockPath(''), producerPath(''), mapperPath('')]) {
      for (const [index, content] of garbage.entries()) {
        const path = `${parent}garbage-${index} é`;
        await foreigner.make('create', { path: `${path}/child/grandchild` });
        await foreigner.make('delete', { path });
        await foreigner.make('create', { path, ...content });
        await foreigner.make('create', { path: `${path}/child` });
        paths.push(path);
      }
    }
    for (const { path, data } of lookalikes)
      await foreigner.make('create', { path, text: JSON.stringify(data), ephemeral: true });

    await expectTakeovers();
    expect((await shorten(mapper?.url ?? '', { long_url: 'https://example.com/' })).status).to.equal(201);
    const { stdout, stderr } = await keymill('status');
    for (const path of paths) expect(stderr).to.include(`foreign: ${path}`);
    expect(stdout + stderr, 'nothing that a terminal would obey').not.to.include('\u001b');
    const named = await blockers();
    expect(named).to.include('garbage-1 é').and.include('like ours').and.not.include('mapper-1');
    expectNothingCrashed();

    for (const path of [...paths, ...lookalikes.map((each) => each.path)])
      await foreigner.make('delete', { path });
    await expectTakeovers();
    expect(await blockers()).to.deep.equal([]);
    expect((await keymill('status')).stderr).not.to.include('foreign');
    expectNothingCrashed();
  });
});
