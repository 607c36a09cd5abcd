import { openRedis, type RedisClient } from '../../db/redis/redis-client.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { KeymillError } from '../../runtime/errors.ts';
import { pause } from '../../runtime/retry.ts';
import { median } from '../../runtime/statistics.ts';
import { runWrk } from '../load/wrk.ts';
import { round, toRow, type BenchRow } from '../method/row.ts';
import { bootstrapOf } from '../method/statistics.ts';
import { SILENT_LOG } from '../servers/environment.ts';
import { startMapper } from '../world/mapper.ts';
import { type Bench, type BenchContext } from './bench.ts';
import { CONNECTIONS } from './http-arm.ts';

const FULL = { rounds: 10, seconds: 3 };
const QUICK = { rounds: 2, seconds: 1 };

/**
 * Redis commands for each shorten. The servers count them, commands inside scripts and the producers'
 * deliveries included. The idle rate is subtracted: polls and heartbeats of mappers and producers, counted
 * without load before and after each window.
 */
export const shortenTakes: Bench = {
  name: 'shorten-takes',
  does: `Redis commands per shorten at ${CONNECTIONS} connections`,
  long: false,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  const { rounds, seconds } = context.quick ? QUICK : FULL;
  const cluster = await context.privateCluster();
  await using stack = new AsyncDisposableStack();
  const mapper = stack.use(await startMapper(cluster, context.signal));
  const clients = cluster.file.redis.map(({ name, url }) =>
    stack.use(openRedis(url, { name, log: SILENT_LOG })),
  );
  for (const client of clients) await client.whenConnected(5_000);
  const idleRate = async (): Promise<number> => {
    const [before, startedMs] = [await commandsOf(clients), monotonicMs()];
    await pause(seconds * 1_000, context.signal);
    return ((await commandsOf(clients)) - before) / ((monotonicMs() - startedMs) / 1_000);
  };
  const perShorten: number[] = [];
  const idleRates: number[] = [];
  for (let i = 0; i < rounds; i++) {
    await cluster.quiesce(context.signal);
    const before = await idleRate();
    const [counted, startedMs] = [await commandsOf(clients), monotonicMs()];
    const requests = { kind: 'shorten' } as const;
    const { signal } = context;
    const { answers } = await runWrk({
      url: mapper.url,
      connections: CONNECTIONS,
      seconds,
      requests,
      signal,
    });
    if (answers === 0) throw new KeymillError('BENCH_FAILED', 'a whole window shortened nothing');
    // The refill after the window belongs to it.
    await cluster.quiesce(context.signal);
    const tookS = (monotonicMs() - startedMs) / 1_000;
    const sent = (await commandsOf(clients)) - counted;
    const after = await idleRate();
    idleRates.push(before, after);
    perShorten.push((sent - ((before + after) / 2) * tookS) / answers);
  }
  const value = median(perShorten);
  const halves = [perShorten.slice(0, rounds / 2), perShorten.slice(rounds / 2)].map(median);
  return {
    ...toRow({
      name: 'shorten-takes',
      unit: 'commands/shorten',
      value,
      samples: perShorten,
      interval: bootstrapOf(perShorten),
      baseline: 'one LPOP for each shorten',
      baselineValue: 1,
      control: (halves[0] ?? 0) / (halves[1] ?? 1),
      better: 'lower',
      goal: 0.1,
      details: { rounds, idleCommandsPerSecond: round(median(idleRates)), connections: CONNECTIONS },
    }),
  };
}

/** All commands that the servers have executed, without our own INFO. */
async function commandsOf(clients: readonly RedisClient[]): Promise<number> {
  const pages = await Promise.all(clients.map(async (client) => client.command('INFO', ['commandstats'])));
  return pages.reduce<number>((sum, page) => sum + countCalls(String(page)), 0);
}

/** Pure: the sum of `calls` of `INFO commandstats`, without INFO's own. */
export function countCalls(page: string): number {
  return [...page.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)]
    .filter(([, name]) => name !== 'info')
    .reduce((sum, [, , calls]) => sum + Number(calls), 0);
}
