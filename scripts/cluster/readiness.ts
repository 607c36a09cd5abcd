import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { producerPath } from '../../coordinator/paths.ts';
import { Session } from '../../coordinator/session.ts';
import { parseProducerMember, type ProducerMember } from '../../coordinator/overview/producer-member.ts';
import { parseJson } from '../../runtime/json.ts';
import { createLog } from '../../runtime/log.ts';
import { StartError } from '../servers/process.ts';
import { numbered, type Addresses } from './environment.ts';
import { ClusterError } from './errors.ts';
import { parseMetrics, tryGet, type Sample } from './http.ts';
import { portName } from './members.ts';
import type { ProgressLog } from './progress-log.ts';
import type { Launch } from './servers.ts';
import type { Counts } from './state.ts';

const READY_TIMEOUT_MS = 120_000;
/** A cause that lasts this long is shown while `up` still waits. */
const CAUSE_AFTER_MS = 5_000;

/** Process ids of the workers, by producer. */
export type WorkerPids = ReadonlyMap<string, number>;

/**
 * Waits until every producer and mapper is ready, one producer holds every keys-db and can deliver from it,
 * and every pool is above its low watermark.
 * @throws StartError when a process ends meanwhile, ClusterError with the missing parts after the timeout
 */
export async function waitUntilReady(
  counts: Counts,
  addresses: Addresses,
  launch: Launch,
): Promise<WorkerPids> {
  const at = (id: string): Place => ({ id, admin: adminUrl(id, launch) });
  const places: Places = {
    producers: numbered('producer', counts.producers).map(at),
    mappers: numbered('mapper', counts.mappers).map(at),
    addresses,
  };
  return untilNothingIsMissing(
    async () => {
      throwIfEnded(counts, launch);
      return places;
    },
    { ...launch, hint: `The logs are in ${launch.runDir.logs}; then ./scripts/up again.` },
  );
}

/** A producer or mapper, and the URL of its admin port. */
export interface Place {
  readonly id: string;
  readonly admin: string;
}

/** The processes and stores that must be ready. */
export interface Places {
  readonly producers: readonly Place[];
  readonly mappers: readonly Place[];
  readonly addresses: Addresses;
}

interface Waiting {
  readonly progress: ProgressLog;
  readonly signal: AbortSignal;
  /** Advice for the error message after the timeout. */
  readonly hint: string;
}

/**
 * The same wait for processes and for containers.
 * @param look returns the present places; called before each check
 * @throws ClusterError with the missing parts and a known cause after the timeout, and every error of `look`
 */
export async function untilNothingIsMissing(
  look: () => Promise<Places>,
  { progress, signal, hint }: Waiting,
): Promise<WorkerPids> {
  const log = createLog('up', 'up', 'silent');
  const { zookeeper: connect, zookeeperAuth: auth } = (await look()).addresses;
  const session =
    connect === '' ? undefined : await Session.open({ connect, auth, timeoutMs: 4_000, log, signal });
  try {
    const startedAt = performance.now();
    const deadline = startedAt + READY_TIMEOUT_MS;
    let shown = '';
    for (;;) {
      signal.throwIfAborted();
      const { missing, workers, cause } = await lookAround(session, await look());
      if (missing.length === 0) return workers;
      if (performance.now() > deadline) {
        const seconds = READY_TIMEOUT_MS / 1000;
        const names = missing.map(({ name }) => name).join(', ');
        const advice = cause === undefined ? hint : `${cause}\n${hint}`;
        throw new ClusterError(`not ready after ${seconds} s; still waiting for ${names}.\n${advice}`);
      }
      // In the first moments of a new cluster, producers refuse what they take a moment later.
      const isLong = performance.now() - startedAt > CAUSE_AFTER_MS;
      const summary = summarise(missing) + (isLong && cause !== undefined ? `. ${cause}` : '');
      if (summary !== shown) progress.line(`waiting for ${summary}`);
      shown = summary;
      await delay(100, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    await session?.close();
  }
}

/** One part that is not ready yet. */
interface Missing {
  /** Its kind in the plural, such as `producers`. */
  readonly what: string;
  readonly name: string;
}

/** `3 producers, 4 holders of shards`, or the name where only one of a kind is missing. */
function summarise(missing: readonly Missing[]): string {
  const kinds = Map.groupBy(missing, ({ what }) => what);
  return [...kinds]
    .map(([what, all]) => (all.length === 1 ? (all[0]?.name ?? '') : `${all.length} ${what}`))
    .join(', ');
}

function throwIfEnded(counts: Counts, { state, runDir }: Launch): void {
  const ids = [...numbered('producer', counts.producers), ...numbered('mapper', counts.mappers)];
  const ended = [...ids, ...state.processes().map(({ id }) => id)].find(
    (id) => state.findRunning(id) === undefined,
  );
  if (ended !== undefined)
    throw new StartError(ended, 'it ended before the cluster was ready', runDir.logOf(ended));
}

/**
 * Explains why shards have no holder when the capacities of all producers together are too small. Pure.
 * @returns undefined when the producers have room for every shard
 */
export function explainShortage(capacities: readonly number[], shards: number): string | undefined {
  const room = capacities.reduce((sum, capacity) => sum + capacity, 0);
  if (room >= shards) return undefined;
  const holders = capacities.length === 1 ? 'one producer holds' : `${capacities.length} producers hold`;
  return (
    `The cause: ${holders} at most ${room} of the ${shards} shards. ` +
    'Start more with --producers, or raise KEYMILL_PRODUCER_CAPACITY.'
  );
}

interface Findings {
  readonly missing: readonly Missing[];
  readonly workers: WorkerPids;
  /** Why shards have no holder, if it is known. */
  readonly cause: string | undefined;
}

/** @param session undefined: there is no ZooKeeper, and so no producer */
async function lookAround(
  session: Session | undefined,
  { producers: producersAt, mappers: mappersAt, addresses }: Places,
): Promise<Findings> {
  const producers = await Promise.all(
    producersAt.map(async ({ id, admin }) => lookAtProducer(session, id, admin)),
  );
  const mappers = await Promise.all(
    mappersAt.map(async ({ id, admin }) => {
      const answer = await tryGet(`${admin}/readyz`);
      return answer?.status === 200 ? [] : [{ what: 'mappers', name: id }];
    }),
  );
  const samples = producers.flatMap((producer) => producer.samples);
  const missing = [
    ...producers.flatMap(({ id, isReady }) => (isReady ? [] : [{ what: 'producers', name: id }])),
    ...mappers.flat(),
    // Without producers, keys come by counter: nobody holds shards and fills pools.
    ...(producers.length > 0 ? [...unheldShards(addresses, samples), ...lowPools(addresses, producers)] : []),
  ];
  const known = producers.flatMap(({ id, member }) =>
    typeof member?.pid === 'number' ? [{ id, pid: member.pid, capacity: member.capacity }] : [],
  );
  const workers = new Map(known.map(({ id, pid }) => [id, pid]));
  const hasEveryMember = known.length === producers.length;
  const capacities = known.map(({ capacity }) => capacity);
  const shortage = hasEveryMember ? explainShortage(capacities, addresses.keysDbs.length) : undefined;
  return { missing, workers, cause: shortage ?? explainRefusals(producers) };
}

/** What producers say about shards that they do not contend for. */
function explainRefusals(producers: readonly ProducerView[]): string | undefined {
  const reasons = new Set(producers.flatMap(({ member }) => Object.values(member?.refused ?? {})));
  return reasons.size === 0 ? undefined : `The cause: ${[...reasons].join('; ')}.`;
}

function adminUrl(id: string, { state }: Launch): string {
  return `http://127.0.0.1:${state.port(portName(id, 'admin'))}`;
}

const Degraded = z.object({ degraded: z.array(z.unknown()).catch([]) });

/** The degraded stores of a mapper, from its admin port; undefined if it is not ready. */
export async function readDegraded(admin: string): Promise<readonly unknown[] | undefined> {
  const answer = await tryGet(`${admin}/readyz`);
  return answer?.status === 200 ? Degraded.safeParse(parseJson(answer.body)).data?.degraded : undefined;
}

interface ProducerView {
  readonly id: string;
  readonly isReady: boolean;
  readonly member: ProducerMember | undefined;
  readonly samples: readonly Sample[];
}

async function lookAtProducer(
  session: Session | undefined,
  id: string,
  admin: string,
): Promise<ProducerView> {
  const [readyz, metrics, node] = await Promise.all([
    tryGet(`${admin}/readyz`),
    tryGet(`${admin}/metrics`),
    session?.get(producerPath(id)).catch(() => undefined),
  ]);
  const member = parseProducerMember(parseJson(node?.data ?? ''));
  return {
    id,
    isReady: readyz?.status === 200 && typeof member?.pid === 'number',
    member,
    samples: metrics?.status === 200 ? parseMetrics(metrics.body) : [],
  };
}

function unheldShards({ keysDbs }: Addresses, samples: readonly Sample[]): Missing[] {
  const isHeld = (name: string): boolean =>
    samples.some(
      (sample) =>
        sample.name === 'keymill_lock_held' && sample.labels['keys_db'] === name && sample.value === 1,
    );
  return keysDbs.flatMap(({ name }) =>
    isHeld(name) ? [] : [{ what: 'holders of shards', name: `a holder of ${name}` }],
  );
}

/** The level of a pool, as the producers say it. Undefined: none of them knows. */
export interface PoolLevel {
  readonly name: string;
  readonly level: number | undefined;
  /** The low watermark. */
  readonly low: number | undefined;
}

/**
 * The level of every pool, from the admin ports and member nodes of the producers.
 * @throws Error when ZooKeeper does not answer
 */
export async function readPoolLevels(
  { producers: producersAt, addresses }: Pick<Places, 'producers' | 'addresses'>,
  signal: AbortSignal,
): Promise<PoolLevel[]> {
  const { zookeeper: connect, zookeeperAuth: auth } = addresses;
  const log = createLog('up', 'up', 'silent');
  const session = await Session.open({ connect, auth, timeoutMs: 4_000, openTimeoutMs: 2_000, log, signal });
  try {
    const producers = await Promise.all(
      producersAt.map(async ({ id, admin }) => lookAtProducer(session, id, admin)),
    );
    return levelsOf(addresses, producers);
  } finally {
    await session.close();
  }
}

function levelsOf({ redis }: Addresses, producers: readonly ProducerView[]): PoolLevel[] {
  const samples = producers.flatMap((producer) => producer.samples);
  const largest = (values: readonly number[]): number | undefined =>
    values.length === 0 ? undefined : Math.max(...values);
  return redis.map(({ name }) => ({
    name,
    level: largest(
      samples
        .filter((sample) => sample.name === 'keymill_pool_level' && sample.labels['pool'] === name)
        .map(({ value }) => value),
    ),
    low: largest(producers.flatMap(({ member }) => member?.low[name] ?? [])),
  }));
}

function lowPools(addresses: Addresses, producers: readonly ProducerView[]): Missing[] {
  return levelsOf(addresses, producers).flatMap(({ name, level = 0, low = 0 }) =>
    low > 0 && level > low ? [] : [{ what: 'pools to fill', name: `pool ${name} to fill` }],
  );
}
