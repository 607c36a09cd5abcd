import { randomBytes } from 'node:crypto';
import { openRedis } from '../../db/redis/redis-client.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { KeymillError } from '../../runtime/errors.ts';
import { median, percentile } from '../../runtime/statistics.ts';
import { Connection } from '../load/connection.ts';
import { formatRequest } from '../load/requests.ts';
import { round, toRow, type BenchRow } from '../method/row.ts';
import { bootstrapOf } from '../method/statistics.ts';
import { SILENT_LOG } from '../servers/environment.ts';
import { startMapper, type BenchMapper } from '../world/mapper.ts';
import { type Bench, type BenchContext } from './bench.ts';

const ROUNDS = 1_000;
const QUICK_ROUNDS = 20;
/** A stale answer this late is a failure. */
const STALE_LIMIT_MS = 10_000;
/** Consecutive fresh answers after which a mapper counts as up to date. */
const FRESH_ENOUGH = 3;
/** Has no subscriber; the round trip is the same. */
const CHANNEL = 'bench';

/**
 * An alias that mappers remember as unknown is created. For how long after the acknowledgement does any
 * mapper answer 404 to requests that were sent after it?
 */
export const invalidation: Bench = {
  name: 'invalidation',
  does: '404 seen, alias created: acknowledgement → last stale answer to a later request on any of two mappers, beside a Redis PUBLISH',
  long: false,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  const rounds = context.quick ? QUICK_ROUNDS : ROUNDS;
  const cluster = await context.privateCluster();
  await using stack = new AsyncDisposableStack();
  const mappers = [
    stack.use(await startMapper(cluster, context.signal)),
    stack.use(await startMapper(cluster, context.signal)),
  ];
  const { name, url } = cluster.file.redis[0] ?? { name: '', url: '' };
  const redis = stack.use(openRedis(url, { name, log: SILENT_LOG }));
  await redis.whenConnected(5_000);
  const publishOnce = async (): Promise<number> => {
    const startedMs = monotonicMs();
    await redis.command('PUBLISH', [CHANNEL, 'x']);
    return monotonicMs() - startedMs;
  };
  const clients = await Promise.all(mappers.map(async (mapper) => openClient(mapper)));
  for (const { connections } of clients) for (const c of connections) stack.defer(() => c.close());
  const staleMs: number[] = [];
  const makeMs: number[] = [];
  const publishMs: number[] = [];
  for (let i = 0; i < rounds; i++) {
    context.signal.throwIfAborted();
    const made = await makeOne(clients, i % clients.length);
    staleMs.push(made.staleMs);
    makeMs.push(made.makeMs);
    publishMs.push(await publishOnce());
  }
  const p99 = (samples: readonly number[]): number => percentile(samples, 0.99);
  const roundTrip = median(publishMs);
  const halves = [publishMs.slice(0, publishMs.length / 2), publishMs.slice(publishMs.length / 2)].map(
    median,
  );
  const value = p99(staleMs);
  const [low, high] = bootstrapOf(staleMs, p99);
  const row = toRow({
    name: 'invalidation',
    unit: 'ms',
    value,
    samples: staleMs,
    interval: [low / roundTrip, high / roundTrip],
    baseline: 'median round trip of a Redis PUBLISH in the same run',
    baselineValue: roundTrip,
    control: (halves[0] ?? 0) / (halves[1] ?? 1),
    better: 'lower',
    details: {
      rounds,
      staleShare: staleMs.filter((ms) => ms > 0).length / rounds,
      publishP99Ms: round(p99(publishMs)),
      makeMs: round(median(makeMs)),
      makeP99Ms: round(p99(makeMs)),
    },
  });
  const goal = 10;
  return {
    ...row,
    judged: 'ratio',
    goal,
    passed: value / roundTrip <= goal,
  };
}

interface MapperClient {
  readonly mapper: BenchMapper;
  /** One creates links, the other one reads. */
  readonly connections: readonly [Connection, Connection];
}

async function openClient(mapper: BenchMapper): Promise<MapperClient> {
  return { mapper, connections: [await Connection.open(mapper.url), await Connection.open(mapper.url)] };
}

interface Round {
  /** From the acknowledgement to the last 404 to a request after it, on any mapper; 0 without one. */
  readonly staleMs: number;
  /** From the request that makes the alias to its acknowledgement. */
  readonly makeMs: number;
}

/** Reads an alias from all mappers without a pause while one of them creates it. */
async function makeOne(clients: readonly MapperClient[], maker: number): Promise<Round> {
  const alias = `b${randomBytes(6).toString('hex')}`;
  let acknowledgedMs = Number.POSITIVE_INFINITY;
  let lastMs = 0;
  let askedMs = 0;
  const all404 = Promise.withResolvers<void>();
  let asked = 0;
  const watch = async ({ mapper, connections }: MapperClient): Promise<void> => {
    const request = formatRequest(mapper.url, `/${alias}`);
    const startedMs = monotonicMs();
    for (let fresh = 0, answers = 0; fresh < FRESH_ENOUGH; answers++) {
      const sentMs = monotonicMs();
      const { status } = await connections[1].ask(request);
      if (answers === 1 && ++asked === clients.length) all404.resolve();
      const nowMs = monotonicMs();
      if (status === 302) fresh += 1;
      else {
        fresh = 0;
        if (sentMs > acknowledgedMs) lastMs = Math.max(lastMs, nowMs);
      }
      if (nowMs - startedMs > STALE_LIMIT_MS)
        throw new KeymillError('BENCH_FAILED', `${alias} was created and stays unknown`);
    }
  };
  const make = async (): Promise<void> => {
    await all404.promise;
    const client = clients[maker];
    if (client === undefined) throw new RangeError(`no mapper ${maker}`);
    const body = JSON.stringify({ long_url: `https://example.com/${alias}`, custom_alias: alias });
    askedMs = monotonicMs();
    const answer = await client.connections[0].ask(formatRequest(client.mapper.url, '/urls', body));
    if (answer.status !== 201)
      throw new KeymillError('BENCH_FAILED', `the alias was not created: ${answer.raw.slice(0, 300)}`);
    acknowledgedMs = monotonicMs();
  };
  await Promise.all([make(), ...clients.map(watch)]);
  return { staleMs: lastMs === 0 ? 0 : lastMs - acknowledgedMs, makeMs: acknowledgedMs - askedMs };
}
