import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { monotonicMs } from '../../runtime/clock.ts';
import { KeymillError, messageOf } from '../../runtime/errors.ts';
import { pause } from '../../runtime/retry.ts';
import { readClusterFile, type ClusterFile } from '../../scripts/cluster/cluster-file.ts';
import { RunDir } from '../../scripts/cluster/run-dir.ts';
import { makeClusterDir, removeBenchDir } from '../servers/bench-dir.ts';
import { bareEnvironment } from '../servers/environment.ts';
import { programOf, WORK_TREE, type Product } from '../servers/product.ts';
import { cpuMsOf } from './cpu.ts';
import { LinkStock } from './link-stock.ts';

const UP_TIMEOUT_MS = 240_000;
/** Three MariaDB servers with a redo log of 1 GB each, and ZooKeeper and Redis beside them. */
const NEEDED_GIB = 6;

/** How long the cluster may take to quiesce between two windows. */
const QUIESCE_TIMEOUT_MS = 6_000;
const LOOK_MS = 150;
/** An idle cluster uses less than this share of a core: heartbeats, polls, the servers' own timers. */
const REST_SHARE = 0.15;

/** A cluster as `up` makes it, in a folder of its own, because benches write useless links. */
export class PrivateCluster implements AsyncDisposable {
  /** Whose programs it runs. */
  readonly product: Product;
  readonly dir: string;
  readonly file: ClusterFile;
  readonly links: LinkStock;

  private constructor(product: Product, dir: string, file: ClusterFile, keySecret: string) {
    this.product = product;
    this.dir = dir;
    this.file = file;
    this.links = new LinkStock({ dir, urlsDbs: file.urlsDbs, keySecret });
  }

  /**
   * Starts it with the product's own `up`, which also migrates the databases; `down --wipe` when disposed.
   */
  static async start(signal: AbortSignal, product: Product = WORK_TREE): Promise<PrivateCluster> {
    const dir = await makeClusterDir(product, NEEDED_GIB);
    const env = { ...bareEnvironment(), KEYMILL_RUN_DIR: dir };
    try {
      const args = ['--detach', '--producers', '1', '--mappers', '1', '--zookeepers', '1', '--keys-dbs', '2'];
      await promisify(execFile)(programOf(product, 'up'), args, { env, timeout: UP_TIMEOUT_MS, signal });
      const runDir = new RunDir(dir);
      const file = readClusterFile(runDir.clusterFile);
      return new PrivateCluster(product, dir, file, (await readFile(runDir.keySecretFile, 'utf8')).trim());
    } catch (error) {
      await removeBenchDir(dir);
      throw signal.aborted
        ? error
        : new KeymillError('BENCH_FAILED', `the private cluster did not start: ${messageOf(error)}`, {
            cause: error,
          });
    }
  }

  /** Process ids by part, to account for CPU time. */
  get pids(): Readonly<Record<'mysql' | 'redis' | 'producers' | 'zookeeper', readonly number[]>> {
    const { mysql, redis, producers, zookeeper } = this.file;
    return {
      mysql: mysql.map(({ pid }) => pid),
      redis: redis.map(({ pid }) => pid),
      producers: producers.map(({ supervisorPid }) => supervisorPid),
      zookeeper: zookeeper.servers.map(({ pid }) => pid),
    };
  }

  /**
   * Process ids by server, for an account by process: `mysql-keys`, `urls-1`, `redis-1`, `producer-1` and so
   * on.
   */
  get servers(): Readonly<Record<string, readonly number[]>> {
    const { mysql, redis, producers } = this.file;
    return Object.fromEntries([
      ...[...mysql, ...redis].map(({ name, pid }) => [name, [pid]] as const),
      ...producers.map(({ id, supervisorPid }) => [id, [supervisorPid]] as const),
    ]);
  }

  /** The variables that point a process at this cluster. */
  get variables(): Record<string, string> {
    const { zookeeper, redis, keysDbs, urlsDbs, usersDb } = this.file;
    const list = (entries: readonly { name: string; url: string }[]): string =>
      entries.map(({ name, url }) => `${name}=${url}`).join(',');
    return {
      KEYMILL_ZOOKEEPER: zookeeper.connect,
      KEYMILL_REDIS: list(redis),
      KEYMILL_KEYS_DBS: list(keysDbs),
      KEYMILL_URLS_DBS: list(
        urlsDbs.map(({ name, slots, url }) => ({ name: `${name}:${slots.replaceAll(',', '+')}`, url })),
      ),
      KEYMILL_USERS_DB: usersDb.url,
      KEYMILL_KEY_SECRET_FILE: new RunDir(this.dir).keySecretFile,
      KEYMILL_QUARANTINE_MS: '30000',
      KEYMILL_SESSION_TIMEOUT_MS: '2000',
    };
  }

  /**
   * Waits, for 6 s at most, until the refilling, generating and flushing that the last window caused are
   * done. Otherwise the next window would pay for them.
   * @param others ids of further processes that must come to rest, with all their descendants
   */
  async quiesce(signal: AbortSignal, others: readonly number[] = []): Promise<void> {
    const pids = [...Object.values(this.pids).flat(), ...others];
    const deadlineMs = monotonicMs() + QUIESCE_TIMEOUT_MS;
    for (let calm = 0; calm < 2 && monotonicMs() < deadlineMs;) {
      const [beforeMs, startedMs] = [cpuMsOf(pids), monotonicMs()];
      await pause(LOOK_MS, signal);
      const share = (cpuMsOf(pids) - beforeMs) / (monotonicMs() - startedMs);
      calm = share < REST_SHARE ? calm + 1 : 0;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.links.close();
    await removeBenchDir(this.dir);
  }
}
