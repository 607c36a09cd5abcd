import { openMysql } from '../../db/mysql/mysql.ts';
import { LatencyClient } from '../load/latency.ts';
import { SHORTEN_BODY } from '../load/requests.ts';
import type { BenchRun } from '../method/bench-run.ts';
import { httpArm, type HttpSample } from '../rows/http-arm.ts';
import { KEYS_PER_SECOND } from '../rows/redirect-cold.ts';
import { shortenArm } from '../rows/shorten.ts';
import { storeVariables } from '../servers/environment.ts';
import { PrivateServers } from '../servers/private-servers.ts';
import { runKeymill, type Product } from '../servers/product.ts';
import { Delivery, POOLS } from '../world/delivery.ts';
import { hotLinks } from '../world/hot-links.ts';
import { generateKeys } from '../world/key-generation.ts';
import { startMapper } from '../world/mapper.ts';
import type { PrivateCluster } from '../world/private-cluster.ts';

/** One of the two products that are compared. */
export interface Side extends BenchRun {
  readonly product: Product;
  readonly pin: boolean;
  /** Its cluster, one for all rows, started at the first call. */
  readonly cluster: () => Promise<PrivateCluster>;
}

/** What one side did in one window. */
export interface SideSample {
  /** In the unit of the row. */
  readonly figure: number;
  /** CPU time of the product's own processes in µs for each unit of work; only in rows of throughput. */
  readonly cpuUs?: number;
}

export interface SideArm {
  readonly run: (seconds: number) => Promise<SideSample>;
  /** Waits until this side has finished the work that a window left behind. */
  readonly quiesce?: () => Promise<void>;
}

/** What a side will be asked to do. */
export interface WindowPlan {
  /** The number of windows, with the first one, which does not count. */
  readonly windows: number;
  /** How long each of them is; 0 when a window is an amount of work. */
  readonly seconds: number;
}

export interface ComparedRow {
  readonly name: string;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  readonly rounds: number;
  /** How long a window is; without it, a window is an amount of work. */
  readonly seconds?: number;
  /** Starts fresh processes of one side; what it starts goes onto the stack. */
  open(side: Side, stack: AsyncDisposableStack, plan: WindowPlan): Promise<SideArm>;
}

const THROUGHPUT = { better: 'higher', rounds: 20, seconds: 3 } as const;
const LATENCY = { unit: 'ms', better: 'lower', rounds: 20, seconds: 3 } as const;
/** In a window of deliver: 1 s of work. */
const KEYS_PER_POOL = { full: 100_000, quick: 30_000 };
/** In a window of generate: 3 to 4 s of work. The first 100,000 keys do not count. */
const KEYS = { full: 500_000, quick: 300_000 };
/** Keys are published about once a second: a look every 100 ms would add 5 % of noise. */
const LOOK_MS = 10;

const redirectHot: ComparedRow = {
  ...THROUGHPUT,
  name: 'redirect-hot',
  unit: 'requests/s',
  open: async (side, stack) => {
    const cluster = await side.cluster();
    const { requests } = await hotLinks(cluster, side);
    const server = stack.use(await startMapper(cluster, side.signal));
    const arm = httpArm({ context: side, name: 'redirect-hot', server, requests, alone: true });
    return onCluster(side, cluster, async (seconds) => sampleOf(await arm.run(seconds, 0)));
  },
};

const redirectCold: ComparedRow = {
  ...LATENCY,
  name: 'redirect-cold',
  open: async (side, stack, { windows, seconds }) => {
    const cluster = await side.cluster();
    const count = KEYS_PER_SECOND * seconds;
    // All links beforehand: a window must not begin with the INSERTs of its own links.
    const paths = await freshPaths(cluster, side, count * windows);
    const { url } = stack.use(await startMapper(cluster, side.signal));
    const client = stack.use(new LatencyClient(side.signal));
    return onCluster(side, cluster, async () => {
      const task = { url, paths: paths.splice(0, count), connections: 1, durationMs: seconds * 1_000 };
      const { p50Ms } = await client.run(task);
      return { figure: p50Ms };
    });
  },
};

const shorten: ComparedRow = {
  ...THROUGHPUT,
  name: 'shorten',
  unit: 'links/s',
  open: async (side, stack) => {
    const cluster = await side.cluster();
    const arm = shortenArm(side, cluster, stack.use(await startMapper(cluster, side.signal)));
    return onCluster(side, cluster, async (seconds) => sampleOf(await arm.run(seconds, 0)));
  },
};

const shortenLatency: ComparedRow = {
  ...LATENCY,
  name: 'shorten-latency',
  open: async (side, stack) => {
    const cluster = await side.cluster();
    const { url } = stack.use(await startMapper(cluster, side.signal));
    const client = stack.use(new LatencyClient(side.signal));
    return onCluster(side, cluster, async (seconds) => {
      const task = { url, body: SHORTEN_BODY, connections: 1, durationMs: seconds * 1_000 };
      return { figure: (await client.run(task)).p50Ms };
    });
  },
};

const deliver: ComparedRow = {
  name: 'deliver',
  unit: 'keys/s',
  better: 'higher',
  rounds: 10,
  open: async (side, stack, { windows }) => {
    const delivery = stack.use(await Delivery.start(side, side.product));
    const keysPerPool = side.quick ? KEYS_PER_POOL.quick : KEYS_PER_POOL.full;
    // One more than is measured: a batch may be claimed that no pool has room for.
    await delivery.stock((windows + 1) * POOLS * keysPerPool);
    return {
      run: async () => {
        const { keysPerSecond, cpuUsPerKey } = await delivery.fill(keysPerPool);
        await delivery.empty();
        return { figure: keysPerSecond, cpuUs: cpuUsPerKey };
      },
    };
  },
};

const generate: ComparedRow = {
  name: 'generate',
  unit: 'keys/s',
  better: 'higher',
  rounds: 12,
  open: async (side, stack) => {
    const servers = stack.use(await PrivateServers.create(side, 2));
    const { url } = await servers.mariaDb({ bufferPoolGib: 2, redoLog: '1G' });
    const variables = storeVariables({ mysql: url });
    await runKeymill(side.product, ['prepare'], variables, side.signal);
    const db = openMysql(url('keys_db_1'), { name: 'keys-db-1', connections: 1 });
    stack.defer(async () => db.close());
    const count = side.quick ? KEYS.quick : KEYS.full;
    return {
      run: async () => {
        const { keysPerSecond, cpuUsPerKey } = await generateKeys(side, {
          product: side.product,
          variables,
          db,
          count,
          lookMs: LOOK_MS,
        });
        return { figure: keysPerSecond, cpuUs: cpuUsPerKey };
      },
    };
  },
};

/** In the order in which they run. */
export const COMPARED_ROWS: readonly ComparedRow[] = [
  redirectHot,
  redirectCold,
  shorten,
  shortenLatency,
  deliver,
  generate,
];

function onCluster(side: Side, cluster: PrivateCluster, run: SideArm['run']): SideArm {
  return { run, quiesce: async () => cluster.quiesce(side.signal) };
}

function sampleOf({ perSecond, cpuUs }: HttpSample): SideSample {
  return { figure: perSecond, cpuUs };
}

async function freshPaths(cluster: PrivateCluster, side: Side, count: number): Promise<string[]> {
  return (await cluster.links.freshKeys(count, side)).map((key) => `/${key}`);
}
