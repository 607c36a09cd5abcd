import { expect } from 'chai';
import { appendFileSync, existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../until.ts';
import { Client } from './client.ts';
import { TestCluster } from './cluster.ts';

interface Status {
  readonly mappers: readonly { readonly id: string; readonly degraded: readonly string[] | null }[];
  readonly counter: { readonly reserved: number; readonly capacity: number };
  readonly unreachable: readonly string[];
}

describe('a small cluster', function () {
  this.timeout(120_000);
  const cluster = new TestCluster(`small-${Math.random().toString(36).slice(2, 8)}`);
  const client = new Client(1);
  let key = '';

  async function shorten(mapper = '', url: string): Promise<string> {
    const { status, body } = await client.shorten(mapper, url);
    expect(status, body).to.equal(201);
    return (JSON.parse(body) as { unique_id: string }).unique_id;
  }

  async function targetOf(mapper = '', followed: string): Promise<string | undefined> {
    return (await client.follow(mapper, followed)).location;
  }

  after(async () => {
    client.close();
    await cluster.destroy();
    expect(cluster.leftovers()).to.deep.equal([]);
  });

  it('starts with one command: one MariaDB, one Redis, one mapper, and a small log keeper', async () => {
    const { stdout } = await cluster.must('up', '--small', '--detach');
    expect(stdout)
      .to.match(/Shorten a URL, and follow the link:/)
      .and.not.to.match(/ZooKeeper|producer/);
    const { file } = cluster;
    expect(file).to.deep.include({ producers: [], keysDbs: [], keySource: 'counter' });
    expect(file.zookeeper).to.deep.equal({ connect: '', servers: [] });
    const processes = cluster.describeLeftovers().split('\n');
    const kept = processes.filter((line) => !/^\d+ sleep /.test(line));
    expect(kept, kept.join('\n')).to.have.length(4);
  });

  it('shortens and follows', async () => {
    const [mapper] = cluster.file.mappers;
    key = await shorten(mapper?.url, 'https://example.com/small');
    expect(await targetOf(mapper?.url, key)).to.equal('https://example.com/small');
  });

  it('shows its mappers and its counter, says what it lacks, and accounts for every key', async () => {
    const status = await until('the mapper to be known', async () => {
      const seen = await cluster.keymill<Status>('status');
      return seen.mappers.length === 1 ? seen : undefined;
    });
    expect(status).to.deep.include({ unreachable: [] });
    expect(status.mappers[0]).to.deep.include({ id: 'mapper-1', degraded: [] });
    expect(status.counter.reserved).to.be.above(0);
    const { stdout, stderr } = await cluster.must('keymill', 'status');
    expect(stdout)
      .to.match(/mapper-1 .*-\n\nKeys by counter\n {2}[\d,]+ of [\d,]+ reserved by mappers\n/)
      .and.match(/no ZooKeeper, producers, pools and keys-dbs/)
      .and.match(/keymill grow/)
      .and.not.match(/Locks|UNREACHABLE|EMPTY|ALARMS/);
    expect(stderr).to.equal('');
    expect(await cluster.keymill<object>('audit')).to.include({ balanced: true, bound: 1, unknown: 0 });
  });

  it('loads the API, pages and the dashboard when somebody asks, from copies without types', async () => {
    const [mapper] = cluster.file.mappers;
    const asked = { '/.env': 404, '/login': 200, '/openapi.json': 200, '/docs': 200 };
    for (const [path, status] of Object.entries(asked)) {
      const answer = await fetch(`${mapper?.url}${path}`, { headers: { accept: 'text/html, */*' } });
      expect(answer.status, path).to.equal(status);
      await answer.arrayBuffer();
    }
    const dashboard = await fetch(`${mapper?.admin}/dashboard`);
    expect(dashboard.status).to.equal(200);
    expect(await dashboard.text()).to.match(/token/i);
    const log = readFileSync(join(cluster.runDir, 'logs/mapper-1.log'), 'utf8');
    expect(log)
      .to.match(/mapper serves/)
      .and.not.to.match(/stripTypeScriptTypes/);
  });

  it('refuses what needs ZooKeeper, and options of a full cluster, with the way to one', async () => {
    for (const command of [['locks'], ['zk', 'ls', '/']]) {
      const { code, stderr } = await cluster.run('keymill', ...command);
      expect(stderr, command.join(' ')).to.match(/no ZooKeeper.*\n.*keymill grow/);
      expect(code).to.equal(2);
    }
    for (const [args, message] of [
      [['--zookeepers', '3'], /--zookeepers: .*keymill grow/],
      [['--small', '--redis', '2'], /'--small' cannot be used with option '--redis/],
    ] as const) {
      const { code, stderr } = await cluster.run('up', '--detach', ...args);
      expect(stderr).to.match(message);
      expect(code).to.equal(2);
    }
  });

  it('runs a second mapper, and each follows the links of the other', async () => {
    await cluster.must('up', '--mappers', '2', '--detach');
    const [first, second] = cluster.file.mappers.map(({ url }) => url);
    const other = await shorten(second, 'https://example.com/second');
    expect(await targetOf(first, other)).to.equal('https://example.com/second');
    await until('both mappers to be known', async () => {
      const { mappers } = await cluster.keymill<Status>('status');
      return mappers.length === 2;
    });
  });

  it('bounds its logs', async () => {
    const log = join(cluster.runDir, 'logs/redis-1.log');
    appendFileSync(log, 'a line of a server that writes too much\n'.repeat(500_000));
    await until('the log to be rotated', () => existsSync(`${log}.1`) && statSync(log).size < 2 ** 20);
    expect(statSync(`${log}.1`).size).to.be.above(16 * 2 ** 20);
    expect(statSync(`${log}.1`).mode & 0o777).to.equal(0o600);
  });

  it('keeps its links and stays small when it was stopped and is started again', async () => {
    const { stdout, stderr } = await cluster.must('down');
    expect(stdout + stderr).not.to.include('left-over');
    expect(cluster.leftovers()).to.deep.equal([]);
    await cluster.must('up', '--detach');
    const { mappers, zookeeper } = cluster.file;
    expect(mappers).to.have.length(1);
    expect(zookeeper.connect).to.equal('');
    expect(await targetOf(mappers[0]?.url, key)).to.equal('https://example.com/small');
    expect(await shorten(mappers[0]?.url, 'https://example.com/later')).not.to.equal(key);
  });
});
