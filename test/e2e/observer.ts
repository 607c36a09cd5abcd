import { lockPath, producerPath } from '../../coordinator/paths.ts';
import { Session } from '../../coordinator/session.ts';
import { createLog } from '../../runtime/log.ts';
import { parseMetrics, tryGet } from '../../scripts/cluster/http.ts';
import { until } from '../until.ts';
import type { TestCluster } from './cluster.ts';

export interface Lock {
  readonly owner: string;
  readonly pid: number;
  readonly session: string;
  readonly epoch?: number;
}

/** Observes a cluster from outside, by a ZooKeeper session and the metrics pages. */
export class Observer {
  readonly #cluster: TestCluster;
  readonly #session: Session;

  private constructor(cluster: TestCluster, session: Session) {
    this.#cluster = cluster;
    this.#session = session;
  }

  static async open(cluster: TestCluster): Promise<Observer> {
    const { connect, auth } = cluster.file.zookeeper;
    const log = createLog('test', 'observer', 'silent');
    return new Observer(cluster, await Session.open({ connect, auth, timeoutMs: 10_000, log }));
  }

  get shards(): string[] {
    return this.#cluster.file.keysDbs.map(({ name }) => name);
  }

  async lock(shard: string): Promise<Lock | undefined> {
    const node = await this.#session.get(lockPath(shard));
    return node === undefined ? undefined : (JSON.parse(node.data) as Lock);
  }

  /** The owner of each held shard. */
  async holders(): Promise<Map<string, string | undefined>> {
    const entries = await Promise.all(
      this.shards.map(async (shard) => [shard, (await this.lock(shard))?.owner] as const),
    );
    return new Map(entries);
  }

  /** The number of shards of each running producer, highest first. */
  async spread(): Promise<number[]> {
    const owners = [...(await this.holders()).values()];
    const ids = this.#cluster.file.producers.map(({ id }) => id);
    return ids.map((id) => owners.filter((owner) => owner === id).length).toSorted((a, b) => b - a);
  }

  /** Waits until every shard has a holder that can deliver, and the numbers of shards are `wanted`. */
  async untilSpread(...wanted: number[]): Promise<void> {
    const isRight = async (): Promise<boolean> => {
      const spread = await this.spread();
      return spread.join() === wanted.join() && (await this.readyShards()).size === this.shards.length;
    };
    await until(`a spread of ${wanted.join(', ')}`, isRight, { timeoutMs: 60_000, everyMs: 100 });
  }

  /** The shards whose holder is reconciled and ready to deliver, from the producers' metrics. */
  async readyShards(): Promise<Set<string>> {
    const pages = await Promise.all(
      this.#cluster.file.producers.map(async ({ admin }) => tryGet(`${admin}/metrics`)),
    );
    const samples = pages.flatMap((page) => parseMetrics(page?.body ?? ''));
    const held = samples.filter(({ name, value }) => name === 'keymill_lock_held' && value === 1);
    return new Set(held.map(({ labels }) => labels['keys_db'] ?? ''));
  }

  async workerPid(producer: string): Promise<number> {
    const node = await this.#session.get(producerPath(producer));
    return (JSON.parse(node?.data ?? '{}') as { pid?: number }).pid ?? 0;
  }

  /**
   * Injects `fault` and measures two times in ms: until the holder's session has lost the lock of the shard,
   * and until the next holder is ready to deliver.
   */
  async measure(shard: string, fault: (lock: Lock) => void): Promise<{ freeMs: number; readyMs: number }> {
    const before = await this.lock(shard);
    if (before === undefined) throw new Error(`${shard} has no holder`);
    const began = performance.now();
    fault(before);
    await until(
      `the lock of ${shard} to leave its holder`,
      async () => {
        const now = await this.lock(shard);
        return now?.session !== before.session;
      },
      { everyMs: 2 },
    );
    const freeMs = performance.now() - began;
    await until(`a ready holder of ${shard}`, async () => this.#isReadyUnder(shard, before), { everyMs: 5 });
    return { freeMs, readyMs: performance.now() - began };
  }

  async #isReadyUnder(shard: string, before: Lock): Promise<boolean> {
    const now = await this.lock(shard);
    const admin = this.#cluster.file.producers.find(({ id }) => id === now?.owner)?.admin;
    if (now === undefined || now.session === before.session || admin === undefined) return false;
    const page = await tryGet(`${admin}/metrics`, 300);
    return parseMetrics(page?.body ?? '').some(
      ({ name, labels, value }) => name === 'keymill_lock_held' && labels['keys_db'] === shard && value === 1,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.close();
  }
}
