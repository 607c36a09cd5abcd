import { expect } from 'chai';
import { createEnsembleId } from '../../coordinator/ensemble.ts';
import { PATHS } from '../../coordinator/paths.ts';
import { FaultyProxy } from '../../drills/proxy/proxy.ts';
import { until } from '../until.ts';
import {
  testCluster,
  untilFilled,
  untilHeld,
  untilLogged,
  untilMembers,
  untilReady,
  type Cluster,
} from './cluster.ts';

const T = 2_000;
const SHARD = 'keys-db-1';

describe('a producer among faults', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  const proxies: FaultyProxy[] = [];

  beforeEach(async () => {
    cluster = await testCluster({ env: { KEYMILL_SESSION_TIMEOUT_MS: String(T) } });
  });

  afterEach(async () => {
    await cluster[Symbol.asyncDispose]();
    await Promise.all(proxies.splice(0).map((proxy) => proxy.stop()));
  });

  /** The same connect string, through proxies. */
  async function throughProxies(connect: string): Promise<string> {
    const [, servers = '', chroot = ''] = /^([^/]*)(.*)$/.exec(connect) ?? [];
    const own = await Promise.all(
      servers.split(',').map((server) => proxyTo(new URL(`zookeeper://${server}`))),
    );
    return own.map(({ port }) => `127.0.0.1:${port}`).join(',') + chroot;
  }

  async function proxyTo({ hostname, port }: URL): Promise<FaultyProxy> {
    const proxy = await FaultyProxy.start({ host: hostname, port: Number(port) });
    proxies.push(proxy);
    return proxy;
  }

  /** Starts a producer that reaches its keys-db only through the proxy. */
  async function startBehindProxy(id: string): Promise<FaultyProxy> {
    const url = new URL((cluster.env['KEYMILL_KEYS_DBS'] ?? '').replace(/^[^=]*=/, ''));
    const proxy = await proxyTo(url);
    url.host = `127.0.0.1:${proxy.port}`;
    cluster.start(id, { KEYMILL_KEYS_DBS: `${SHARD}=${url.href}` });
    return proxy;
  }

  async function untilRefilled(): Promise<void> {
    for (const pool of cluster.pools) await pool.take(10_000);
    await untilFilled(cluster);
  }

  it('continues under the same epoch after a silence shorter than the session timeout', async () => {
    const producer = cluster.start('producer-1', {
      KEYMILL_ZOOKEEPER: await throughProxies(cluster.env['KEYMILL_ZOOKEEPER'] ?? ''),
    });
    await untilFilled(cluster);
    const before = await untilHeld(cluster, SHARD);
    for (const proxy of proxies) proxy.silence();
    await untilLogged(producer, 'session suspended');
    for (const proxy of proxies) proxy.heal();
    await untilRefilled();
    const after = await untilHeld(cluster, SHARD);
    expect(after.czxid).to.equal(before.czxid);
    expect(after.epoch).to.equal(before.epoch);
  });

  it('is replaced after a silence longer than the session timeout, then contends again', async () => {
    const cut = cluster.start('producer-1', {
      KEYMILL_ZOOKEEPER: await throughProxies(cluster.env['KEYMILL_ZOOKEEPER'] ?? ''),
    });
    await untilFilled(cluster);
    const { epoch, pid } = await untilHeld(cluster, SHARD);
    const other = cluster.start('producer-2');
    await untilMembers(cluster, 2);
    for (const proxy of proxies) proxy.silence();
    await untilReady([other], SHARD, epoch ?? 0);
    await untilRefilled();
    for (const proxy of proxies) proxy.heal();
    await until(
      'the old one to be a member again',
      async () => (await cluster.members()).get('producer-1')?.pid === pid,
      { timeoutMs: 40_000 },
    );
    expect(cut.lines.filter((line) => line.msg === 'reign over').map((line) => line['end'])).to.deep.equal([
      'lock-gone',
    ]);
    const keys = await cluster.pooled();
    expect(new Set(keys).size).to.equal(keys.length);
  });

  it('gives a shard back if it cannot reach its keys-db and another producer can', async () => {
    const proxy = await startBehindProxy('producer-1');
    await untilFilled(cluster);
    const { epoch } = await untilHeld(cluster, SHARD);
    cluster.start('producer-2');
    await untilMembers(cluster, 2);
    proxy.silence();
    const next = await untilHeld(cluster, SHARD, epoch ?? 0);
    expect(next.owner).to.equal('producer-2');
    await untilRefilled();
  });

  it('keeps the lock of a keys-db that no producer reaches, and continues when it is back', async () => {
    const proxy = await startBehindProxy('producer-1');
    await untilFilled(cluster);
    const before = await untilHeld(cluster, SHARD);
    proxy.silence();
    const start = performance.now();
    await until('four session timeouts', async () => {
      expect((await cluster.locks()).get(SHARD)?.czxid).to.equal(before.czxid);
      return performance.now() - start > 4 * T;
    });
    proxy.heal();
    await untilRefilled();
    expect((await untilHeld(cluster, SHARD)).czxid).to.equal(before.czxid);
  });

  it('does not contend with a wiped ZooKeeper until an operator adopts it', async () => {
    const first = cluster.start('producer-1');
    await untilFilled(cluster);
    const { epoch } = await untilHeld(cluster, SHARD);
    await first.stop();
    await cluster.session.remove(PATHS.ensemble, -1);
    const second = cluster.start('producer-2');
    await untilLogged(second, 'this ZooKeeper has no ensemble id');
    expect(await cluster.locks()).to.have.property('size', 0);
    const ensemble = await createEnsembleId(cluster.session);
    await untilLogged(second, 'keys-db belongs to another ZooKeeper');
    expect(await cluster.locks()).to.have.property('size', 0);
    for (const keysDb of cluster.keysDbs) await keysDb.adoptEnsemble(ensemble);
    expect((await untilHeld(cluster, SHARD, epoch ?? 0)).owner).to.equal('producer-2');
    await untilRefilled();
  });
});
