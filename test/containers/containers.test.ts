import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import type { Backend } from '../../drills/load/balancer.ts';
import type { Container } from '../../scripts/containers/compose.ts';
import { command, tryCommand } from '../../scripts/containers/docker.ts';
import { IMAGE_LABEL, ownImage } from '../../scripts/containers/image.ts';
import { ensureSettings } from '../../scripts/containers/secrets.ts';
import { Client } from '../e2e/client.ts';
import { mostRounds } from '../most-rounds.ts';
import { until } from '../until.ts';
import { childrenOf, ContainerTestCluster } from './cluster.ts';
import { createFixedWork, startMs } from './starting.ts';
import { trial, type Playing } from './trial.ts';
import { unserved, type Verdict } from './verdict.ts';

/** The values in docker-compose.yml. */
const SESSION_TIMEOUT_MS = 2_000;
const TICK_MS = 500;
/** Longer than the timeout of each of its steps, so that a failed step reports its own error. */
const BRING_UP_MS = 1_800_000;
/** haproxy checks every 250 ms and waits one second for the answer. */
const UNCHECKED_MS = 4_000;
const START_MS = 2_000;
/** The same bound for a slow machine, where a fixed work takes more than its usual second. */
const START_SHARE = 2.5;
const MIB = 2 ** 20;
const ZKCLI = '/usr/share/zookeeper/bin/zkCli.sh';
const STORE_PORTS: Readonly<Record<string, number>> = {
  zookeeper: 2181,
  redis: 6379,
  mysql: 3306,
  urls: 3306,
};
const DATABASES = new Set(['mysql-keys', 'urls-1', 'urls-2']);

type Play = (playing: Playing) => Promise<void>;

interface Status {
  readonly locks: readonly { readonly owner: string | null }[];
  readonly producers: readonly unknown[];
  readonly mappers: readonly unknown[];
  readonly unreachable: readonly string[];
}

describe('a cluster in containers', function () {
  this.timeout(600_000);
  const cluster = new ContainerTestCluster('containers');
  const client = new Client(8);

  before(async function () {
    this.timeout(BRING_UP_MS);
    await cluster.up();
  });

  after(async () => {
    client.close();
    await cluster.destroyWholly();
  });

  it('runs from a small image as an ordinary user on a read-only root', async () => {
    const { docker } = cluster.engine;
    const [size, user, label] = (
      await docker.run([
        'image',
        'inspect',
        '--format',
        `{{.Size}} {{.Config.User}} {{index .Config.Labels "${IMAGE_LABEL}"}}`,
        ownImage(),
      ])
    )
      .trim()
      .split(' ');
    expect(Number(size)).to.be.below(250 * MIB);
    expect([user, label]).to.deep.equal(['10001:10001', '1']);
    for (const { container } of [...cluster.file.mappers, ...cluster.file.producers]) {
      const format = '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.Memory}}';
      const [readOnly, dropped, memory] = (await docker.run(['inspect', '--format', format, container]))
        .trim()
        .split(' ');
      expect([readOnly, dropped]).to.deep.equal(['true', '[ALL]']);
      expect(Number(memory)).to.be.greaterThan(0);
      const script =
        "try { require('fs').writeFileSync('/keymill/x', ''); } catch (error) { process.stdout.write(error.code); }";
      const answer = await docker.run(['exec', container, '/bin/node', '-e', script]);
      expect(answer).to.be.oneOf(['EROFS', 'EACCES']);
    }
  });

  it('is seen by the operator: locks, producers and mappers', async () => {
    // The deadline for each source is one second, which a busy machine may miss.
    await until(
      'a status with every lock held, 3 producers, 2 mappers and every source',
      async () => {
        const { locks, producers, mappers, unreachable } = await cluster.commands.keymill<Status>('status');
        const isHeld = locks.every(({ owner }) => owner !== null);
        const found = [isHeld, locks.length, producers.length, mappers.length, unreachable];
        expect(found).to.deep.equal([true, 4, 3, 2, []]);
        return true;
      },
      { timeoutMs: 60_000 },
    );
    const zk = await cluster.commands.must('keymill', 'zk', 'ls', '/shard-locks');
    expect(zk.stdout).to.contain('keys-db-1');
  });

  it('lets haproxy reach our programs and no store, and nobody else change the nodes in ZooKeeper', async () => {
    const containers = await cluster.running();
    const { pid = 0 } = containers.find(({ service }) => service === 'haproxy') ?? {};
    const isReached = async ({ service, address }: Container): Promise<boolean> => {
      const port = STORE_PORTS[service.replace(/-.*$/, '')] ?? 9101;
      const script = `exec 3<>/dev/tcp/${address}/${port}`;
      const args = [`--net=/proc/${pid}/ns/net`, 'timeout', '2', 'bash', '-c', script];
      return (await tryCommand('nsenter', args)).exitCode === 0;
    };
    const others = containers.filter(({ service }) => service !== 'haproxy');
    const reached = await Promise.all(
      others.map(async (container) => ((await isReached(container)) ? [container.service] : [])),
    );
    expect(new Set(reached.flat())).to.deep.equal(new Set(['mapper', 'producer']));
    const stranger = await tryCommand(ZKCLI, [
      '-server',
      cluster.file.zookeeper.connect,
      'create',
      '/producers/squatter',
      '{}',
    ]);
    expect(stranger.stderr).to.include('Insufficient permission');
  });

  it('has no secret in the environment or the arguments of any container', async () => {
    const { secrets } = ensureSettings(cluster.compose.envFile, cluster.runDir, {});
    for (const { name } of await cluster.compose.containers()) {
      const description = await cluster.engine.docker.run(['inspect', name]);
      for (const secret of Object.values(secrets)) expect(description, name).not.to.include(secret);
    }
  });

  it('shortens through the one published port, and redirects there and at every mapper', async () => {
    const { publicUrl, mappers } = cluster.file;
    const urls = Array.from({ length: 200 }, (_, n) => `https://example.com/containers/${n}`);
    const keys = await client.forEach(urls, async (url) => {
      const { status, body } = await client.shorten(publicUrl, url);
      expect(status, body).to.equal(201);
      const answer = JSON.parse(body) as { unique_id: string; short_url: string };
      expect(answer.short_url).to.equal(`${publicUrl}/${answer.unique_id}`);
      return answer.unique_id;
    });
    expect(new Set(keys).size).to.equal(urls.length);
    for (const base of [publicUrl, ...mappers.map(({ url }) => url)]) {
      const answers = await client.forEach(keys, async (key) => client.follow(base, key));
      expect(answers.map(({ status }) => status)).to.deep.equal(urls.map(() => 302));
      expect(answers.map(({ location }) => location)).to.deep.equal(urls);
    }
    const audit = await cluster.commands.keymill<{ balanced: boolean; duplicates: number }>('audit');
    expect(audit).to.include({ balanced: true, duplicates: 0 });
  });

  it('producer-kill: a killed worker is replaced; no request fails', async () => {
    const play: Play = async ({ locks }) => {
      for (let round = 0; round < 3; round++) {
        const [shard, holder] = [...locks.holders()][round] ?? [];
        if (shard === undefined || holder === undefined) throw new Error('no shard has a holder');
        const producer = cluster.file.producers.find(({ id }) => id === holder.owner);
        const { pid } = await cluster.container(producer?.container ?? '');
        const worker = childrenOf(pid).find(({ innerPid }) => innerPid === holder.pid);
        if (worker === undefined) throw new Error(`${holder.owner} has no worker ${holder.pid}`);
        process.kill(worker.pid, 'SIGKILL');
        await until(`another lock on ${shard}`, () => {
          const now = locks.holderOf(shard);
          return now !== undefined && now.czxid !== holder.czxid;
        });
        await cluster.quiet();
      }
    };
    const tally = await trial(cluster, 'producer-kill', play);
    expect(unserved(tally), tally.complaints).to.deep.equal([0, 0, 0]);
  });

  it('docker stop of a producer releases its locks within 300 ms', async () => {
    await trial(cluster, 'producer-stop', async ({ locks, nowMs }) => {
      const play = async (): Promise<number> => {
        const [[shard, holder] = []] = [...locks.holders()];
        if (shard === undefined || holder === undefined) throw new Error('no shard has a holder');
        const producer = cluster.file.producers.find(({ id }) => id === holder.owner);
        const beganMs = nowMs();
        const stopping = cluster.ask('POST', `/containers/${producer?.container}/stop`);
        await until(`${shard} to be given back`, () => locks.holderOf(shard)?.czxid !== holder.czxid, {
          everyMs: 2,
        });
        const tookMs = Math.round(nowMs() - beganMs);
        await stopping;
        await cluster.ask('POST', `/containers/${producer?.container}/start`);
        await cluster.quiet();
        return tookMs;
      };
      await mostRounds(play, (tookMs) => tookMs <= 300);
    });
  });

  it('fences a producer that is paused for longer than the session timeout and then continues', async () => {
    await trial(cluster, 'producer-pause', async ({ locks }) => {
      const [[shard, holder] = []] = [...locks.holders()];
      if (shard === undefined || holder === undefined) throw new Error('no shard has a holder');
      const name = cluster.file.producers.find(({ id }) => id === holder.owner)?.container ?? '';
      const since = new Date().toISOString();
      await cluster.ask('POST', `/containers/${name}/pause`);
      try {
        await until(
          `${shard} to be taken over`,
          () => {
            const now = locks.holderOf(shard);
            return now !== undefined && now.owner !== holder.owner && (now.epoch ?? 0) > (holder.epoch ?? 0);
          },
          { timeoutMs: SESSION_TIMEOUT_MS + TICK_MS + 20_000 },
        );
      } finally {
        await cluster.ask('POST', `/containers/${name}/unpause`);
      }
      const { docker } = cluster.engine;
      await until(
        'the paused producer to notice that its session is over',
        async () => (await docker.try(['logs', '--since', since, name])).stdout.includes('"session over: '),
        { timeoutMs: 20_000, everyMs: 200 },
      );
    });
  });

  it('zookeeper-leader-kill: sessions survive, no request fails', async () => {
    const play: Play = async () => {
      const leader = await findLeader(cluster);
      const before = await cluster.container(leader);
      await cluster.kill(leader);
      await cluster.restarted(leader, before);
      await cluster.quiet();
    };
    const count = ({ failed, redirectsFailed }: Verdict): number[] => [failed, redirectsFailed];
    const tally = await trial(cluster, 'leader-kill', play);
    expect(count(tally), tally.complaints).to.deep.equal([0, 0]);
  });

  it('SIGKILL under load of any main process except a database: it restarts by itself, and no redirect fails', async () => {
    const names = (await cluster.running()).filter(({ service }) => !DATABASES.has(service));
    expect(names).to.have.length(13);
    const tally = await trial(cluster, 'kill-each', async () => killEach(cluster, names));
    expect(tally.redirectsFailed, tally.complaints).to.equal(0);
  });

  it('SIGKILL under load of any database: it restarts by itself, and no acknowledged link is lost', async () => {
    const names = (await cluster.running()).filter(({ service }) => DATABASES.has(service));
    expect(names).to.have.length(3);
    await trial(cluster, 'kill-databases', async () => killEach(cluster, names));
  });

  it('starts a mapper within 2 s, or as quickly as a slow machine can', async () => {
    const [mapper] = cluster.file.mappers;
    const name = mapper?.container ?? '';
    await using other = await createFixedWork(cluster, name);
    const play = async (): Promise<{ mapperMs: number; otherMs: number }> => {
      await cluster.ask('POST', `/containers/${name}/stop`);
      await cluster.ask('POST', `/containers/${other.name}/stop?t=0`);
      return { otherMs: await startMs(cluster, other.name), mapperMs: await startMs(cluster, name) };
    };
    await mostRounds(
      play,
      ({ mapperMs, otherMs }) => mapperMs <= START_MS || mapperMs <= START_SHARE * otherMs,
    );
    await cluster.quiet();
  });

  it('refuses no request when every mapper serves and fails its health check', async () => {
    const play: Play = async () => {
      const pids = await Promise.all(
        cluster.file.mappers.map(async ({ container }) => (await cluster.container(container)).pid),
      );
      for (const pid of pids) await dropChecks(pid, '--append');
      try {
        await delay(UNCHECKED_MS);
      } finally {
        for (const pid of pids) await dropChecks(pid, '--delete');
      }
    };
    const tally = await trial(cluster, 'unchecked', play, { backends: front(cluster) });
    expect(unserved(tally), tally.complaints).to.deep.equal([0, 0, 0]);
  });

  it('scaling producers 3 → 5 → 2 and mappers 2 → 4 → 1 under load fails no request', async () => {
    const play: Play = async () => {
      for (const [producers, mappers] of [
        [5, 4],
        [2, 1],
      ] as const) {
        await cluster.compose.up({ producers, mappers }, () => undefined);
        await cluster.quiet();
        const { file } = cluster;
        expect([file.producers.length, file.mappers.length]).to.deep.equal([producers, mappers]);
        // Some load before the next change.
        await delay(1_000);
      }
    };
    const count = (verdict: Verdict): number[] => [...unserved(verdict), verdict.unknown];
    const tally = await trial(cluster, 'scaling', play, { backends: front(cluster) });
    expect(count(tally), tally.complaints).to.deep.equal([0, 0, 0, 0]);
  });
});

/** Makes the admin port in the network namespace of this process drop all packets, or accept them again. */
async function dropChecks(pid: number, change: '--append' | '--delete'): Promise<void> {
  const rule = [change, 'INPUT', '--protocol', 'tcp', '--dport', '9101', '--jump', 'DROP'];
  await command('nsenter', [`--net=/proc/${pid}/ns/net`, 'iptables', ...rule]);
}

/** The published port as the only backend. */
function front({ file: { publicUrl } }: ContainerTestCluster): () => Backend[] {
  return () => [{ id: 'haproxy', url: publicUrl, admin: publicUrl }];
}

/** Kills one container after the other, each time when the last one is back and the cluster is quiet. */
async function killEach(cluster: ContainerTestCluster, containers: readonly Container[]): Promise<void> {
  for (const { name } of containers) {
    const before = await cluster.container(name);
    await cluster.kill(name);
    await cluster.restarted(name, before);
    await cluster.quiet();
  }
}

async function findLeader(cluster: ContainerTestCluster): Promise<string> {
  const { docker } = cluster.engine;
  for (const { container } of cluster.file.zookeeper.servers) {
    const script = 'exec 3<>/dev/tcp/127.0.0.1/2181 && echo srvr >&3 && cat <&3';
    const { stdout } = await docker.try(['exec', container, 'bash', '-c', script]);
    if (stdout.includes('Mode: leader')) return container;
  }
  throw new Error('the ensemble has no leader');
}
