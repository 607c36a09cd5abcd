import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { Session } from '../../coordinator/session.ts';
import { parseJson } from '../../runtime/json.ts';
import { createLog } from '../../runtime/log.ts';
import { StartError } from '../servers/process.ts';
import { numbered, type Addresses } from './environment.ts';
import { ClusterError } from './errors.ts';
import { tryGet } from './http.ts';
import { portName } from './members.ts';
import {
  lookAtProducer,
  lowPools,
  unheldShards,
  workersOf,
  findWorkers,
  type Place,
  type ProducerView,
  type WorkerPids,
} from './producer-view.ts';
import type { ProgressLog } from './progress-log.ts';
import type { Launch } from './servers.ts';
import type { Shape } from './shape.ts';
import type { Counts } from './state.ts';
import { wantedIds } from './wanted.ts';

const READY_TIMEOUT_MS = 120_000;
/** A cause that lasts this long is shown while `up` still waits. */
const CAUSE_AFTER_MS = 5_000;

/** What must run and be ready. */
export interface Awaited {
  readonly shape: Shape;
  readonly counts: Counts;
  readonly addresses: Addresses;
}

/**
 * What a cluster is waited for. Whose mappers take keys from the counter serves without ZooKeeper, producers
 * and full pools, so these may be down or being filled. Pure.
 * @param fillsPools whether the pools must be full all the same
 */
export function awaitedOf(all: Awaited, fillsPools: boolean): Awaited {
  const { shape, counts, addresses } = all;
  if (fillsPools || addresses.keySource !== 'counter') return all;
  return {
    shape: { ...shape, zookeepers: 0 },
    counts: { ...counts, producers: 0 },
    addresses: { ...addresses, zookeeper: '', zookeeperAuth: undefined },
  };
}

/**
 * Waits until every producer and mapper is ready, one producer holds every keys-db and can deliver from it,
 * and every pool is above its low watermark; or only for {@link awaitedOf}.
 * @throws StartError when a process ends meanwhile, ClusterError with the missing parts after the timeout
 */
export async function waitUntilReady(
  all: Awaited,
  launch: Launch,
  { fillsPools = false } = {},
): Promise<WorkerPids> {
  const awaited = awaitedOf(all, fillsPools);
  const places: Places = {
    producers: placesOf('producer', awaited.counts.producers, launch),
    mappers: placesOf('mapper', awaited.counts.mappers, launch),
    addresses: awaited.addresses,
  };
  const workers = await untilNothingIsMissing(
    async () => {
      throwIfEnded(awaited, launch);
      return places;
    },
    { ...launch, hint: `The logs are in ${launch.runDir.logs}; then ./scripts/up again.` },
  );
  if (awaited.counts.producers === all.counts.producers) return workers;
  const producers = placesOf('producer', all.counts.producers, launch);
  return findWorkers({ producers, addresses: all.addresses }, launch.signal);
}

function placesOf(kind: 'producer' | 'mapper', count: number, { state }: Launch): Place[] {
  return numbered(kind, count).map((id) => ({
    id,
    admin: `http://127.0.0.1:${state.port(portName(id, 'admin'))}`,
  }));
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

function throwIfEnded({ shape, counts }: Awaited, { state, runDir }: Launch): void {
  const ended = [...wantedIds(shape, counts)].find((id) => state.findRunning(id) === undefined);
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
  const missing = [
    ...producers.flatMap(({ id, isReady }) => (isReady ? [] : [{ what: 'producers', name: id }])),
    ...mappers.flat(),
    // Without producers, keys come by counter: nobody holds shards and fills pools.
    ...(producers.length > 0 ? unheldShards(addresses, producers) : []).map((name) => ({
      what: 'holders of shards',
      name,
    })),
    ...(producers.length > 0 ? lowPools(addresses, producers) : []).map((name) => ({
      what: 'pools to fill',
      name,
    })),
  ];
  const workers = workersOf(producers);
  const hasEveryMember = producers.length > 0 && workers.size === producers.length;
  const capacities = producers.flatMap(({ member }) => member?.capacity ?? []);
  const shortage = hasEveryMember ? explainShortage(capacities, addresses.keysDbs.length) : undefined;
  return { missing, workers, cause: shortage ?? explainRefusals(producers) };
}

/** What producers say about shards that they do not contend for. */
function explainRefusals(producers: readonly ProducerView[]): string | undefined {
  const reasons = new Set(producers.flatMap(({ member }) => Object.values(member?.refused ?? {})));
  return reasons.size === 0 ? undefined : `The cause: ${[...reasons].join('; ')}.`;
}

const Degraded = z.object({ degraded: z.array(z.unknown()).catch([]) });

/** The degraded stores of a mapper, from its admin port; undefined if it is not ready. */
export async function readDegraded(admin: string): Promise<readonly unknown[] | undefined> {
  const answer = await tryGet(`${admin}/readyz`);
  return answer?.status === 200 ? Degraded.safeParse(parseJson(answer.body)).data?.degraded : undefined;
}
