import { readdirSync } from 'node:fs';
import { openKeysDb } from '../../db/keys-db/keys-db.ts';
import { createKeyspace } from '../../db/keyspace/key.ts';
import { openPool } from '../../db/redis/pool.ts';
import { readOperatorConfig } from '../../runtime/config/config.ts';
import type { StoresConfig } from '../../runtime/config/stores.ts';
import { messageOf } from '../../runtime/errors.ts';
import { QUIET_LOG } from '../../runtime/log.ts';
import { prepareStores } from '../cluster/bring-up.ts';
import { addressesOf, processEnvironment, type Addresses } from '../cluster/environment.ts';
import { ClusterError } from '../cluster/errors.ts';
import { outdatedMembers } from '../cluster/members.ts';
import { startMysqlServers, startRedisOf, type Launch } from '../cluster/servers.ts';
import type { Shape } from '../cluster/shape.ts';
import type { Counts, State } from '../cluster/state.ts';
import { stopRecorded } from '../cluster/stop.ts';
import { surplusOf } from '../cluster/wanted.ts';
import { missingZooKeeperPackages } from '../servers/zookeeper.ts';
import { resize } from './mariadb.ts';
import { moveKeys } from './move-keys.ts';
import { lowPools, type Unfinished } from './plan.ts';
import { recordedOf, refuseOutage, settle } from './settle.ts';
import { recordedSteps, seePools } from './sight.ts';
import { atLeast, MARIADB_SIZES, TARGET } from './target.ts';
import type { StepName } from './steps.ts';

/** One way of one step. */
interface Change {
  /** Changes the record. From then on the step counts as begun. */
  readonly record: (launch: Launch) => Promise<void> | void;
  readonly renews: boolean;
  /** Whether the step ends when the pools are full. */
  readonly fillsPools?: true;
  /** Checked before the record changes, and every time the step is repeated. */
  readonly require?: (launch: Launch) => Promise<void> | void;
  /** After the record has changed, before processes start. */
  readonly begin?: (launch: Launch) => Promise<void>;
  readonly beforeServersEnd?: (launch: Launch) => Promise<void>;
}

const CHANGES: Readonly<Record<StepName, Readonly<Record<Unfinished['way'], Change>>>> = {
  mapper: {
    grow: { record: ({ state }) => raiseCounts(state, { mappers: TARGET.mappers }), renews: false },
    undo: { record: ({ state }) => recordCounts(state, { mappers: 1 }), renews: false },
  },
  memory: {
    // Mappers get their larger caches when `stores` restarts them.
    grow: {
      record: ({ state }) => state.recordSetup({ memory: 'full' }),
      begin: resizeServers,
      renews: false,
    },
    undo: {
      record: ({ state }) => state.recordSetup({ memory: 'small' }),
      begin: resizeServers,
      renews: true,
    },
  },
  zookeeper: {
    grow: {
      require: requireZooKeeper,
      record: ({ state }) => {
        state.chooseZookeeperAuth({ isOpen: false });
        raiseShape(state, { zookeepers: TARGET.shape.zookeepers });
      },
      renews: false,
    },
    undo: { record: ({ state }) => recordShape(state, { zookeepers: 0 }), renews: true },
  },
  stores: {
    grow: {
      record: ({ state }) => raiseShape(state, { redis: TARGET.shape.redis, keysDbs: TARGET.shape.keysDbs }),
      renews: true,
    },
    undo: {
      record: async (launch) => {
        // Links have keys of these regions, and the audit counts them.
        const keysDbs = (await haveIssued(launch)) ? {} : { keysDbs: 0 };
        recordShape(launch.state, { redis: 1, ...keysDbs });
      },
      renews: true,
      beforeServersEnd: moveKeysHome,
    },
  },
  producers: {
    grow: {
      record: ({ state }) => raiseCounts(state, { producers: TARGET.producers }),
      renews: false,
      fillsPools: true,
    },
    undo: { record: ({ state }) => recordCounts(state, { producers: 0 }), renews: false },
  },
  pools: {
    grow: {
      require: requireFullPools,
      record: ({ state }) => state.recordSetup({ keySource: 'pools' }),
      renews: true,
    },
    undo: { record: ({ state }) => state.recordSetup({ keySource: 'counter' }), renews: true },
  },
};

/**
 * Makes or undoes one step of a running cluster. It may be killed at any point and called again, or the other
 * way may be called.
 * @throws ClusterError with the reason when something does not become ready; the step counts as begun then
 */
export async function makeStep({ step, way }: Unfinished, launch: Launch): Promise<void> {
  const { state } = launch;
  const change = CHANGES[step][way];
  recordedOf(state);
  if (change.renews) await refuseOutageAhead(change, launch);
  await change.require?.(launch);
  state.recordGrowth({ unfinished: { step, way } });
  await change.record(launch);
  await change.begin?.(launch);
  await settle(
    {
      way,
      renews: change.renews,
      fillsPools: change.fillsPools ?? false,
      beforeServersEnd: async () => change.beforeServersEnd?.(launch),
    },
    launch,
  );
  state.recordGrowth(recordedSteps(state).size === 0 ? undefined : {});
}

/** @throws ClusterError before anything is written, when the step would have to restart the only mapper */
async function refuseOutageAhead({ record }: Change, launch: Launch): Promise<void> {
  if (recordedOf(launch.state).counts.mappers > 1) return;
  const state = launch.state.draft();
  await record({ ...launch, state });
  const { counts, addresses } = recordedOf(state);
  if (outdatedMembers(counts, addresses, { state }).length > 0) refuseOutage(counts);
}

function recordCounts(state: State, change: Partial<Counts>): void {
  const { counts } = recordedOf(state);
  state.recordCounts({ ...counts, ...change });
}

function recordShape(state: State, change: Partial<Shape>): void {
  const { shape } = recordedOf(state);
  state.recordShape({ ...shape, ...change });
}

function raiseCounts(state: State, wanted: Partial<Counts>): void {
  state.recordCounts(atLeast(recordedOf(state).counts, wanted));
}

function raiseShape(state: State, wanted: Partial<Shape>): void {
  state.recordShape(atLeast(recordedOf(state).shape, wanted));
}

/** @throws ClusterError naming the packages without which ZooKeeper cannot start */
function requireZooKeeper(): void {
  const missing = missingZooKeeperPackages(process.env['PATH'] ?? '');
  if (missing.length > 0)
    throw new ClusterError(
      `ZooKeeper needs these packages (the names are Debian's): ${missing.join(', ')}. Install them, then repeat the step`,
    );
}

/** Resizes MariaDB, and ends the log keeper: another one starts, which fits the memory. */
async function resizeServers({ state, progress }: Launch): Promise<void> {
  const { addresses } = recordedOf(state);
  await resize(addresses.usersDb.url, MARIADB_SIZES[state.setup.memory]);
  const keepers = state.processes().filter(({ kind }) => kind === 'log-keeper');
  for (const keeper of keepers) await stopRecorded(keeper, state, progress);
}

/** @throws ClusterError naming the pools from which no mapper may take keys yet */
async function requireFullPools(launch: Launch): Promise<void> {
  // An interrupted switch is continued: some mapper takes keys from the pools already.
  if (launch.state.setup.keySource === 'pools') return;
  const low = lowPools(await seePools(launch));
  if (low.length > 0)
    throw new ClusterError(
      `the pools are not full yet: ${low.join(', ')}. Repeat: ./scripts/keymill grow --step producers`,
    );
}

/** Whether a keys-db on record has issued keys. Makes those first that an interrupted step has not made. */
async function haveIssued(launch: Launch): Promise<boolean> {
  const { shape } = recordedOf(launch.state);
  await startMysqlServers(shape, launch);
  // The step may have been killed before the other Redis servers got their ports.
  const addresses = addressesWith(launch, shape, ['redis-1']);
  await prepareStores(addresses, launch);
  const { keys, keysDbs } = storesOf(launch, addresses);
  const keyspace = createKeyspace(keys);
  const marks = await Promise.all(
    keysDbs.map(async ({ name, url, region }) => {
      await using keysDb = openKeysDb({ name, url, region, keyspace, log: QUIET_LOG });
      return (await keysDb.ownership()).claimedTo;
    }),
  );
  return marks.some((mark) => mark > 0);
}

/** Moves the keys of the Redis servers that end into the pool of the first one. */
async function moveKeysHome(launch: Launch): Promise<void> {
  const { state, progress } = launch;
  const { shape, counts } = recordedOf(state);
  await startDeadPools(launch);
  const surplus = surplusOf(state.processes(), shape, counts).filter(({ kind }) => kind === 'redis');
  if (surplus.length === 0) return;
  const names = ['redis-1', ...surplus.map(({ id }) => id)];
  const { keys, redis } = storesOf(launch, addressesWith(launch, shape, names));
  const keyspace = createKeyspace(keys);
  await using stack = new AsyncDisposableStack();
  const pools = redis.map((shard) => stack.use(openPool({ ...shard, keyspace, log: QUIET_LOG })));
  await Promise.all(pools.map(async (pool) => pool.whenConnected(2_000)));
  const [first, ...ending] = pools;
  if (first === undefined) return;
  const moved = await moveKeys(ending, first);
  progress.line(`${moved} keys moved from ${ending.map(({ name }) => name).join(', ')} to ${first.name}`);
}

/**
 * Starts the Redis servers again that are too many and have ended, by a crash or by a kill of this step:
 * their files may have keys, which the audit would miss.
 * @throws ClusterError naming one that does not start
 */
async function startDeadPools(launch: Launch): Promise<void> {
  const { runDir, state } = launch;
  const { shape } = recordedOf(state);
  const dead = readdirSync(runDir.data).filter(
    (id) =>
      /^redis-\d+$/.test(id) &&
      Number(id.replace('redis-', '')) > shape.redis &&
      state.findRunning(id) === undefined,
  );
  for (const id of dead) {
    try {
      await startRedisOf(id, launch);
    } catch (error) {
      launch.signal.throwIfAborted();
      throw new ClusterError(
        `${id} has ended and does not start, and its files in ${runDir.dataOf(id)} may have keys: ${messageOf(error)}\n` +
          'Mend it, then repeat: ./scripts/keymill grow --undo stores',
      );
    }
  }
}

/** The addresses of a cluster of this shape, with only these Redis servers. */
function addressesWith({ state }: Launch, shape: Shape, redis: readonly string[]): Addresses {
  const highest = Math.max(...redis.map((name) => Number(name.replace('redis-', ''))));
  const all = addressesOf({ ...shape, redis: highest }, state, (id) => state.port(id) ?? 0);
  return { ...all, redis: all.redis.filter(({ name }) => redis.includes(name)) };
}

function storesOf({ runDir, state }: Launch, addresses: Addresses): StoresConfig {
  return readOperatorConfig(processEnvironment({ runDir, state, addresses, own: {} })).stores;
}
