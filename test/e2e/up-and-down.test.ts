import { execFile } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';
import { send } from '../mapper/client.ts';
import { until } from '../until.ts';
import { TestCluster, untilNothingRuns } from './cluster.ts';

/** The smallest cluster. */
const SMALL = [
  '--zookeepers',
  '1',
  '--redis',
  '1',
  '--keys-dbs',
  '1',
  '--mysql-servers',
  '1',
  '--producers',
  '1',
  '--mappers',
  '1',
];
const SERVERS = [...SMALL, '--servers-only'];

describe('up and down', function () {
  this.timeout(240_000);
  let cluster: TestCluster;

  beforeEach(() => {
    cluster = new TestCluster(`up-${Math.random().toString(36).slice(2, 8)}`);
  });

  afterEach(async () => {
    await cluster.destroy();
    expect(cluster.leftovers()).to.deep.equal([]);
  });

  it('refuses wrong options, names the right values, and starts nothing', async () => {
    for (const [args, message] of [
      [['--producers', '0'], /--producers.*from 1 to 64/],
      [['--zookeepers', '2'], /--zookeepers.*odd number/],
      [['--mappers', 'two'], /--mappers.*whole number/],
      [['--nodes', '3'], /unknown option '--nodes'/],
      [['--containers', '--redis', '4'], /--redis: with --containers docker-compose.yml says/],
    ] as const) {
      const outcome = await cluster.run('up', ...args);
      expect(outcome.stderr).to.match(message);
      expect(outcome.code).to.equal(2);
    }
    expect(cluster.leftovers()).to.deep.equal([]);
  });

  it('leaves no process that keeps its output open, bounds its logs, and only the owner may read its secrets', async () => {
    // `must` resolves when the pipes close. A server with one of them would keep it open.
    const { stdout } = await cluster.must('up', '--detach', ...SMALL);
    expect(stdout)
      .to.match(/Ready after/)
      .and.to.match(/curl -s http/);
    expect(statSync(join(cluster.runDir, 'cluster.json')).mode & 0o777).to.equal(0o600);
    expect(statSync(join(cluster.runDir, 'state.json')).mode & 0o777).to.equal(0o600);
    expect(statSync(cluster.runDir).mode & 0o777).to.equal(0o700);

    const log = join(cluster.runDir, 'logs/redis-1.log');
    appendFileSync(log, 'a line of a server that writes too much\n'.repeat(500_000));
    await until('the log to be rotated', () => existsSync(`${log}.1`) && statSync(log).size < 2 ** 20);
    expect(statSync(`${log}.1`).size).to.be.above(16 * 2 ** 20);
    expect(statSync(`${log}.1`).mode & 0o777).to.equal(0o600);
  });

  it('lets Node keep compiled code, in a folder that only its owner may enter', async () => {
    const NODE_COMPILE_CACHE = '';
    const { stdout } = await promisify(execFile)(join(REPOSITORY, 'scripts/keymill'), ['--version'], {
      env: { ...process.env, NODE_COMPILE_CACHE },
    });
    expect(stdout).to.match(/^\d/);
    const folder = join(REPOSITORY, '.run/compile-cache');
    expect(statSync(folder).mode & 0o777).to.equal(0o700);
    expect(readdirSync(folder)).to.have.length.above(0);
  });

  it('starts one cluster when two people start it at the same time', async () => {
    const [first, second] = await Promise.all([
      cluster.run('up', '--detach', ...SMALL),
      cluster.run('up', '--detach', ...SMALL),
    ]);
    expect([first.code, second.code], first.stderr + second.stderr).to.deep.equal([0, 0]);
    const processes = cluster
      .describeLeftovers()
      .split('\n')
      .filter((line) => !line.includes('worker-main.ts'));
    // ZooKeeper, Redis, MariaDB, the producer's supervisor, the mapper, the log keeper.
    expect(processes, processes.join('\n')).to.have.length(6);
  });

  it('stops the whole cluster on Ctrl-C', async () => {
    const up = cluster.start('up', ...SMALL);
    await until('the cluster to be ready', () => up.output().includes('Ready after'), { timeoutMs: 60_000 });
    up.child.kill('SIGINT');
    expect((await up.done).code).to.equal(0);
    await untilNothingRuns(cluster);
    expect(cluster.isDescribed).to.equal(false);
  });

  it('stops all started processes on Ctrl-C before the cluster is ready', async () => {
    const up = cluster.start('up', ...SERVERS);
    await until('the first server', () => up.output().includes('redis-1 ready'));
    up.child.kill('SIGINT');
    expect((await up.done).code).to.equal(1);
    await untilNothingRuns(cluster);
  });

  it('ends in the foreground when another command stops the cluster', async () => {
    const up = cluster.start('up', ...SERVERS);
    await until(
      'all servers',
      () => /mysql-1 ready/.test(up.output()) && /zookeeper-1 ready/.test(up.output()),
      {
        timeoutMs: 30_000,
      },
    );
    await cluster.must('down');
    expect((await up.done).stderr).to.match(/was stopped|stopped by/);
    await untilNothingRuns(cluster);
  });

  it('down interrupts a running up', async () => {
    const up = cluster.start('up', '--detach', ...SMALL);
    await until('the first server', () => up.output().includes('redis-1 ready'));
    await cluster.must('down');
    expect((await up.done).code).to.equal(1);
    await untilNothingRuns(cluster);
  });

  it('leaves nothing after a failed start, and shows the end of the failed process’s log', async () => {
    const dir = join(cluster.runDir, 'data', 'redis-1');
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, 'appendonlydir'), 'a file where Redis expects a folder');
    const { code, stderr } = await cluster.run('up', '--detach', ...SMALL);
    expect(code).to.equal(1);
    expect(stderr)
      .to.match(/redis-1 did not start/)
      .and.to.match(/appendonlydir|append only/i);
    expect(stderr).to.match(/run \.\/scripts\/up again/);
    await untilNothingRuns(cluster);
    rmSync(join(dir, 'appendonlydir'));
    await cluster.must('up', '--detach', ...SERVERS);
  });

  it('up and down work after an up was killed half-way', async () => {
    for (const after of ['redis-1 ready', 'mysql-1 ready']) {
      const up = cluster.start('up', '--detach', ...SERVERS);
      await until(after, () => up.output().includes(after));
      up.child.kill('SIGKILL');
      await up.done;
      if (after === 'redis-1 ready') await cluster.must('up', '--detach', ...SERVERS);
      await cluster.must('down');
      await untilNothingRuns(cluster);
    }
  });

  it('skips a busy port, and uses the same ports again later', async () => {
    await cluster.must('up', '--detach', ...SMALL);
    const before = cluster.file;
    await cluster.must('down');
    const port = Number(new URL(before.redis[0]?.url ?? '').port);
    const intruder = createServer().listen(port, '127.0.0.1');
    try {
      await cluster.must('up', '--detach', ...SMALL);
    } finally {
      intruder.close();
    }
    const after = cluster.file;
    expect(Number(new URL(after.redis[0]?.url ?? '').port)).to.be.greaterThan(port);
    expect(after.mysql[0]?.port).to.equal(before.mysql[0]?.port);
    expect(after.zookeeper.connect).to.equal(before.zookeeper.connect);
    expect(after.mappers[0]?.url).to.equal(before.mappers[0]?.url);
  });

  it('with data, refuses another number of MariaDB servers: slots are never re-mapped', async () => {
    await cluster.must('up', '--detach', ...SMALL);
    await cluster.must('down');
    const { code, stderr } = await cluster.run('up', '--detach', '--mysql-servers', '3');
    expect(code).to.equal(2);
    expect(stderr).to.match(/--mysql-servers 3: the data here is on 1.*never re-mapped/);
    expect(cluster.leftovers()).to.deep.equal([]);
  });

  it('restarts dead processes, and touches no others', async () => {
    await cluster.must('up', '--detach', ...SMALL);
    const before = cluster.file;
    process.kill(before.redis[0]?.pid ?? 0, 'SIGKILL');
    process.kill(before.mappers[0]?.pid ?? 0, 'SIGKILL');
    await cluster.must('up', '--detach');
    const after = cluster.file;
    expect(after.redis[0]?.pid).not.to.equal(before.redis[0]?.pid);
    expect(after.mappers[0]?.pid).not.to.equal(before.mappers[0]?.pid);
    expect(after.mysql).to.deep.equal(before.mysql);
    expect(after.producers[0]?.supervisorPid).to.equal(before.producers[0]?.supervisorPid);
  });

  it('makes an admin token that grown clusters keep, and obeys no request without it', async () => {
    await cluster.must('up', '--detach', ...SMALL);
    const { adminToken = '', producers, mappers } = cluster.file;
    expect(adminToken).to.match(/^[0-9a-f]{64}$/);
    const [producer, mapper] = [producers[0]?.admin ?? '', mappers[0]?.admin ?? ''];
    const page = { Host: 'evil.example', Origin: 'https://evil.example', 'Content-Type': 'text/plain' };
    const drained = await send('POST', `${producer}/drain`, { headers: page, body: '{}' });
    expect(drained.status).to.equal(403);
    expect((await send('GET', `${mapper}/reserve`)).status).to.equal(401);
    const audit = await cluster.run('keymill', 'audit', '--repair', '--json');
    expect(audit.code, audit.stderr).to.equal(0);
    expect(audit.stderr)
      .to.match(/producer-1: recycles \d+ keys/)
      .and.not.match(/did not/);
    await cluster.must('up', '--detach', '--mappers', '2');
    expect(cluster.file.adminToken).to.equal(adminToken);
    const headers = { authorization: `Bearer ${adminToken}` };
    const grown = cluster.file.mappers[1]?.admin ?? '';
    expect((await send('GET', `${grown}/reserve`, { headers })).status).to.equal(200);
  });

  it('gives a token to a cluster of a version that had none, and restarts its processes', async () => {
    await cluster.must('up', '--detach', ...SMALL);
    const before = cluster.file;
    const path = join(cluster.runDir, 'state.json');
    const { adminToken: _, ...older } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    writeFileSync(path, JSON.stringify(older), { mode: 0o600 });
    await cluster.must('up', '--detach');
    const after = cluster.file;
    expect(after.adminToken)
      .to.match(/^[0-9a-f]{64}$/)
      .and.not.equal(before.adminToken);
    expect(after.mappers[0]?.pid).not.to.equal(before.mappers[0]?.pid);
    expect(after.mysql).to.deep.equal(before.mysql);
    const headers = { authorization: `Bearer ${after.adminToken}` };
    expect((await send('GET', `${after.mappers[0]?.admin}/reserve`, { headers })).status).to.equal(200);
  });

  it('grows and shrinks its stores while it runs', async () => {
    await cluster.must('up', '--detach', ...SMALL);
    const before = cluster.file;
    await cluster.must('up', '--detach', '--redis', '3', '--keys-dbs', '2');
    const grown = cluster.file;
    expect(grown.redis.map(({ name }) => name)).to.deep.equal(['redis-1', 'redis-2', 'redis-3']);
    expect(grown.keysDbs.map(({ name }) => name)).to.deep.equal(['keys-db-1', 'keys-db-2']);
    expect(grown.mappers[0]?.pid).not.to.equal(before.mappers[0]?.pid);
    expect(grown.mysql).to.deep.equal(before.mysql);
    await cluster.must('up', '--detach', '--redis', '2');
    expect(cluster.file.redis).to.deep.equal(grown.redis.slice(0, 2));
    const pids = cluster.file.producers.map(({ supervisorPid }) => supervisorPid);
    await cluster.must('up', '--detach');
    expect(cluster.file.producers.map(({ supervisorPid }) => supervisorPid)).to.deep.equal(pids);
  });

  it('leaves the processes alone when its folder is a copy of theirs', async () => {
    await cluster.must('up', '--detach', ...SMALL);
    const before = cluster.file;
    const copy = new TestCluster(`copy-${Math.random().toString(36).slice(2, 8)}`);
    try {
      // Without the data, because a copy of a running server's data may be unreadable.
      for (const name of ['cluster.json', 'state.json', 'key-secret'])
        cpSync(join(cluster.runDir, name), join(copy.runDir, name), { preserveTimestamps: true });
      const status = await copy.run('keymill', 'status');
      expect(status.stderr).to.include('is a copy').and.include(cluster.runDir);
      expect(status.code).to.equal(2);
      expect((await copy.must('down')).stderr).to.include('nothing was running');
      expect(cluster.leftovers().length).to.be.at.least(5);

      await copy.must('up', '--detach', ...SMALL);
      expect(copy.file.mappers[0]?.pid).not.to.equal(before.mappers[0]?.pid);
      expect(copy.file.mysql[0]?.port).not.to.equal(before.mysql[0]?.port);
    } finally {
      await copy.destroy();
    }
    await cluster.must('up', '--detach');
    expect(cluster.file).to.deep.equal(before);
  });
});
