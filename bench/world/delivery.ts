import { join } from 'node:path';
import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { openRedis, type RedisClient } from '../../db/redis/redis-client.ts';
import { POOL_KEY } from '../../db/redis/redis-keys.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { KeymillError } from '../../runtime/errors.ts';
import { pause } from '../../runtime/retry.ts';
import { stopProcess } from '../../scripts/servers/identity.ts';
import { lastLinesOf, startProcess } from '../../scripts/servers/process.ts';
import type { BenchRun } from '../method/bench-run.ts';
import { bareEnvironment, SILENT_LOG, storeVariables } from '../servers/environment.ts';
import { PrivateServers } from '../servers/private-servers.ts';
import { programOf, runKeymill, type Product } from '../servers/product.ts';
import { cpuMsOfTree, processesOf } from './cpu.ts';
import { generateKeys } from './key-generation.ts';

export const POOLS = 4;
const LOOK_MS = 25;
const FILL_TIMEOUT_MS = 180_000;
const SETTLE_TIMEOUT_MS = 60_000;
/** Supervisor, worker and standby. */
const PROCESSES = 3;
/** A producer at rest, with polls and heartbeats, uses less than this share of a core in {@link REST_MS}. */
const REST_SHARE = 0.1;
const REST_MS = 300;
const FILLERS_PER_PUSH = 5_000;
/** The last keys come in ever smaller batches. */
const FULL_SHARE = 0.98;

/** How the pools became full. */
export interface Filled {
  /** Times in ms and keys in all pools together, from the first keys on. */
  readonly seen: readonly (readonly [number, number])[];
  readonly keysPerSecond: number;
  /** CPU time of the producer's processes in µs for each key. */
  readonly cpuUsPerKey: number;
}

/** One keys-db, four pools and a ZooKeeper, which a producer of the product fills. All gone when disposed. */
export class Delivery implements AsyncDisposable {
  readonly #run: BenchRun;
  readonly #product: Product;
  readonly #servers: PrivateServers;
  readonly #variables: Readonly<Record<string, string>>;
  readonly #keysDb: Mysql;
  /** One for each pool. */
  readonly pools: readonly RedisClient[];
  #started = 0;

  private constructor(
    run: BenchRun,
    product: Product,
    world: {
      servers: PrivateServers;
      variables: Readonly<Record<string, string>>;
      keysDb: Mysql;
      pools: readonly RedisClient[];
    },
  ) {
    this.#run = run;
    this.#product = product;
    this.#servers = world.servers;
    this.#variables = world.variables;
    this.#keysDb = world.keysDb;
    this.pools = world.pools;
  }

  static async start(run: BenchRun, product: Product): Promise<Delivery> {
    await using starting = new AsyncDisposableStack();
    const servers = starting.use(await PrivateServers.create(run));
    const [{ url }, redis, { connect }] = await Promise.all([
      servers.mariaDb({ bufferPoolGib: 1, redoLog: '1G' }),
      servers.redis(POOLS),
      servers.zooKeeper(),
    ]);
    const variables = storeVariables({ mysql: url, redis, zookeeper: connect });
    await runKeymill(product, ['prepare'], variables, run.signal);
    const keysDb = openMysql(url('keys_db_1'), { name: 'keys-db-1', connections: 1 });
    servers.defer(() => keysDb.close());
    const pools = redis.map(({ name, url: redisUrl }) => openRedis(redisUrl, { name, log: SILENT_LOG }));
    for (const pool of pools) {
      servers.defer(async () => pool[Symbol.asyncDispose]());
      await pool.whenConnected(5_000);
    }
    starting.move();
    return new Delivery(run, product, { servers, variables, keysDb, pools });
  }

  /** Adds unused keys to the keys-db, so that the producer need not generate any while it delivers. */
  async stock(count: number): Promise<void> {
    const progress = this.#run.progress('deliver: stocking the keys-db', count, 'keys');
    const onProgress = (made: number): void => progress.update(made);
    const task = { product: this.#product, variables: this.#variables, db: this.#keysDb, count, onProgress };
    await generateKeys(this.#run, task);
    progress.stop();
  }

  /**
   * Starts a producer, empties the pools when it has come to rest, waits until it has filled them, and stops
   * it. Taking the lock, reconciling and loading the modules of the standby, which took as much CPU as
   * 300,000 deliveries, are not part of what is measured. That begins with the first keys seen in a pool.
   * @throws KeymillError when the pools are not full in time
   */
  async fill(keysPerPool: number, onProgress?: (keys: number) => void): Promise<Filled> {
    const logFile = join(this.#servers.dir, `producer-${++this.#started}.log`);
    await this.#fillUp(keysPerPool);
    const { identity, hasExited } = await startProcess({
      id: 'producer',
      command: this.#product.node,
      args: [programOf(this.#product, 'producer')],
      logFile,
      dieWithParent: true,
      env: { ...bareEnvironment(), ...this.#variables, ...settingsFor(keysPerPool) },
    });
    const producer = { pid: identity.pid, hasExited, logFile };
    try {
      await this.#whenAtRest(producer);
      await this.empty();
      return await this.#watch(POOLS * keysPerPool, producer, onProgress);
    } finally {
      await stopProcess(identity, 5_000);
    }
  }

  /** Puts texts that are no keys of ours into the pools, so that they need none. */
  async #fillUp(keysPerPool: number): Promise<void> {
    for (let pushed = 0; pushed < keysPerPool; pushed += FILLERS_PER_PUSH) {
      const fillers = Array.from(
        { length: Math.min(FILLERS_PER_PUSH, keysPerPool - pushed) },
        () => 'filler',
      );
      const options = { timeoutMs: 10_000 };
      await Promise.all(
        this.pools.map(async (pool) => pool.command('RPUSH', [POOL_KEY, ...fillers], options)),
      );
    }
  }

  /** Returns when all processes of the producer have loaded their modules. */
  async #whenAtRest({ pid, ...producer }: RunningProducer): Promise<void> {
    const deadlineMs = monotonicMs() + SETTLE_TIMEOUT_MS;
    for (let usedMs = REST_MS; usedMs > REST_MS * REST_SHARE;) {
      refuseIfOver(producer, deadlineMs, 'did not come to rest');
      const beforeMs = cpuMsOfTree(pid);
      await pause(REST_MS, this.#run.signal);
      usedMs = processesOf(pid) < PROCESSES ? REST_MS : cpuMsOfTree(pid) - beforeMs;
    }
  }

  async #watch(
    total: number,
    producer: RunningProducer,
    onProgress?: (keys: number) => void,
  ): Promise<Filled> {
    const { signal } = this.#run;
    const seen: [number, number][] = [];
    let firstCpuMs = 0;
    const deadlineMs = monotonicMs() + FILL_TIMEOUT_MS;
    for (let level = 0; level < total * FULL_SHARE;) {
      signal.throwIfAborted();
      refuseIfOver(producer, deadlineMs, 'did not fill the pools');
      level = await this.#levelOfAll();
      if (level > (seen.at(-1)?.[1] ?? 0)) {
        if (seen.length === 0) firstCpuMs = cpuMsOfTree(producer.pid);
        seen.push([monotonicMs(), level]);
        onProgress?.(level);
      }
      await pause(LOOK_MS, signal);
    }
    const cpuMs = cpuMsOfTree(producer.pid) - firstCpuMs;
    const [firstMs, first] = seen[0] ?? [0, 0];
    const [lastMs, last] = seen.at(-1) ?? [0, 0];
    return {
      seen,
      keysPerSecond: ((last - first) * 1_000) / Math.max(1, lastMs - firstMs),
      cpuUsPerKey: (cpuMs * 1_000) / Math.max(1, last - first),
    };
  }

  async #levelOfAll(): Promise<number> {
    const levels = await Promise.all(
      this.pools.map(async (pool) => pool.command('LLEN', [POOL_KEY], { timeoutMs: 5_000 })),
    );
    return (levels as number[]).reduce((sum, length) => sum + length, 0);
  }

  /**
   * Empties the pools. When they have keys of ours, only while no producer runs: its audit would find and
   * recycle them.
   */
  async empty(): Promise<void> {
    await Promise.all(this.pools.map(async (pool) => pool.command('UNLINK', [POOL_KEY])));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#servers[Symbol.asyncDispose]();
  }
}

interface RunningProducer {
  readonly pid: number;
  readonly hasExited: () => boolean;
  readonly logFile: string;
}

/** @throws KeymillError */
function refuseIfOver(
  { hasExited, logFile }: Omit<RunningProducer, 'pid'>,
  deadlineMs: number,
  what: string,
): void {
  if (!hasExited() && monotonicMs() < deadlineMs) return;
  const lines = lastLinesOf(logFile, 5).join('\n');
  throw new KeymillError('BENCH_FAILED', `the producer ${what}:\n${lines}`);
}

/** The producer fills up from nothing in one go, and never generates; the other settings are the defaults. */
function settingsFor(keysPerPool: number): Record<string, string> {
  return {
    KEYMILL_ID: 'producer-1',
    KEYMILL_SESSION_TIMEOUT_MS: '4000',
    KEYMILL_POOL_LOW: String(keysPerPool - 1),
    KEYMILL_POOL_HIGH: String(keysPerPool),
    KEYMILL_POOL_HIGH_MAX: String(keysPerPool),
    KEYMILL_UNUSED_LOW: '1',
    KEYMILL_GENERATE_COUNT: '1',
  };
}
