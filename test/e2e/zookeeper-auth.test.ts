import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { until } from '../until.ts';
import { TestCluster } from './cluster.ts';

const ZKCLI = '/usr/share/zookeeper/bin/zkCli.sh';
const LOCK = '/shard-locks/keys-db-1';
const SMALL = ['zookeepers', 'redis', 'keys-dbs', 'mysql-servers', 'producers', 'mappers'].flatMap((name) => [
  `--${name}`,
  '1',
]);

describe('the nodes of a cluster in ZooKeeper', function () {
  this.timeout(240_000);
  let cluster: TestCluster;

  beforeEach(() => {
    cluster = new TestCluster(`auth-${Math.random().toString(36).slice(2, 8)}`);
  });

  afterEach(async () => {
    await cluster.destroy();
    expect(cluster.leftovers()).to.deep.equal([]);
  });

  /** What an outsider types: without credentials. @returns both outputs */
  async function zkCli(...args: string[]): Promise<string> {
    const { connect } = cluster.file.zookeeper;
    const run = promisify(execFile)(ZKCLI, ['-server', connect, ...args]);
    const { stdout, stderr } = await run.catch((error: { stdout: string; stderr: string }) => error);
    return stdout + stderr;
  }

  async function holder(): Promise<string | null | undefined> {
    const { locks } = await cluster.keymill<{ locks: { owner: string | null }[] }>('locks');
    return locks[0]?.owner;
  }

  it('can be read by everybody, and changed only by its processes and its operator', async () => {
    await cluster.must('up', '--detach', ...SMALL);
    expect(await zkCli('ls', '/shard-locks')).to.include('[keys-db-1]');
    const lock = await zkCli('get', LOCK);
    expect(lock).to.include('"owner":"producer-1"');
    for (const args of [
      ['delete', LOCK],
      ['set', LOCK, '{}'],
      ['create', '/shard-locks/keys-db-2', '{}'],
      ['create', '/producers/squatter', '{}'],
      ['delete', '/keymill/ensemble'],
      ['create', '/elsewhere', 'x'],
    ])
      expect(await zkCli(...args), args.join(' ')).to.include('Insufficient permission');
    expect(await zkCli('get', LOCK)).to.equal(lock);
    await cluster.must('keymill', 'zk', 'delete', LOCK);
    await until('the next reign', async () => (await holder()) === 'producer-1');
    expect(await zkCli('get', LOCK)).not.to.equal(lock);
    const refused = await cluster.run('up', '--detach', '--zookeeper-open', ...SMALL);
    expect(refused.code).to.equal(2);
    expect(refused.stderr).to.include(
      '--zookeeper-open: the nodes of this cluster belong to its credentials',
    );
  });

  it('stay open with --zookeeper-open; a cluster of an older version is protected by the next up', async () => {
    await cluster.must('up', '--detach', '--zookeeper-open', ...SMALL);
    expect(cluster.file.zookeeper.auth).to.equal(undefined);
    expect(await zkCli('create', '/mappers/foreign', '{}')).to.include('Created');
    await cluster.must('up', '--detach', ...SMALL);
    expect(await zkCli('delete', '/mappers/foreign')).not.to.include('Insufficient permission');

    const stateFile = join(cluster.runDir, 'state.json');
    const { zookeeperAuth: _, ...older } = JSON.parse(readFileSync(stateFile, 'utf8')) as Record<
      string,
      unknown
    >;
    writeFileSync(stateFile, JSON.stringify(older));
    await cluster.must('up', '--detach', ...SMALL);
    expect(cluster.file.zookeeper.auth).to.match(/^keymill:[0-9a-f]{32}$/);
    expect(await holder()).to.equal('producer-1');
    for (const path of ['/mappers/foreign', '/shard-locks/foreign'])
      expect(await zkCli('create', path, '{}'), path).to.include('Insufficient permission');
  });
});
