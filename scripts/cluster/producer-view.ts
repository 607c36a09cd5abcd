import { setTimeout as delay } from 'node:timers/promises';
import { parseProducerMember, type ProducerMember } from '../../coordinator/overview/producer-member.ts';
import { producerPath } from '../../coordinator/paths.ts';
import { Session } from '../../coordinator/session.ts';
import { parseJson } from '../../runtime/json.ts';
import { createLog } from '../../runtime/log.ts';
import type { Addresses } from './environment.ts';
import { parseMetrics, tryGet, type Sample } from './http.ts';

const WORKERS_MS = 5_000;

/** Process ids of the workers, by producer. */
export type WorkerPids = ReadonlyMap<string, number>;

/** A producer or mapper, and the URL of its admin port. */
export interface Place {
  readonly id: string;
  readonly admin: string;
}

interface ProducerPlaces {
  readonly producers: readonly Place[];
  readonly addresses: Addresses;
}

/** A producer as its admin port and its znode show it. */
export interface ProducerView {
  readonly id: string;
  readonly isReady: boolean;
  readonly member: ProducerMember | undefined;
  readonly samples: readonly Sample[];
}

/** @param session undefined: there is no ZooKeeper */
export async function lookAtProducer(
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

/** The workers whose znodes were seen. */
export function workersOf(producers: readonly ProducerView[]): WorkerPids {
  return new Map(
    producers.flatMap(({ id, member }) =>
      typeof member?.pid === 'number' ? [[id, member.pid] as const] : [],
    ),
  );
}

/** The workers of producers that nobody waits for, as far as they are seen soon. */
export async function findWorkers(
  { producers: places, addresses }: ProducerPlaces,
  signal: AbortSignal,
): Promise<WorkerPids> {
  const deadline = performance.now() + WORKERS_MS;
  let workers: WorkerPids = new Map();
  try {
    await withSession(addresses, signal, async (session) => {
      while (workers.size < places.length && performance.now() < deadline) {
        const seen = places.map(async ({ id, admin }) => lookAtProducer(session, id, admin));
        workers = workersOf(await Promise.all(seen));
        await delay(100, undefined, { signal });
      }
    });
  } catch {
    signal.throwIfAborted();
  }
  return workers;
}

/** A phrase for each keys-db that no producer holds. */
export function unheldShards({ keysDbs }: Addresses, producers: readonly ProducerView[]): string[] {
  const samples = producers.flatMap((producer) => producer.samples);
  const isHeld = (name: string): boolean =>
    samples.some(
      (sample) =>
        sample.name === 'keymill_lock_held' && sample.labels['keys_db'] === name && sample.value === 1,
    );
  return keysDbs.flatMap(({ name }) => (isHeld(name) ? [] : [`a holder of ${name}`]));
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
  { producers: producersAt, addresses }: ProducerPlaces,
  signal: AbortSignal,
): Promise<PoolLevel[]> {
  return withSession(addresses, signal, async (session) => {
    const producers = await Promise.all(
      producersAt.map(async ({ id, admin }) => lookAtProducer(session, id, admin)),
    );
    return levelsOf(addresses, producers);
  });
}

/** @throws Error when ZooKeeper does not answer soon */
async function withSession<T>(
  { zookeeper: connect, zookeeperAuth: auth }: Addresses,
  signal: AbortSignal,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const log = createLog('up', 'up', 'silent');
  const session = await Session.open({ connect, auth, timeoutMs: 4_000, openTimeoutMs: 2_000, log, signal });
  try {
    return await work(session);
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

/** A phrase for each pool that is not above its low watermark. */
export function lowPools(addresses: Addresses, producers: readonly ProducerView[]): string[] {
  return levelsOf(addresses, producers).flatMap(({ name, level = 0, low = 0 }) =>
    low > 0 && level > low ? [] : [`pool ${name} to fill`],
  );
}
