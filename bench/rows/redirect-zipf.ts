import { KeymillError } from '../../runtime/errors.ts';
import { keySequence } from '../load/key-sequence.ts';
import { LatencyClient } from '../load/latency.ts';
import { measure, ratioOf, typicalOf } from '../method/measure.ts';
import { toPairedRow } from '../method/paired-row.ts';
import { round, type BenchRow } from '../method/row.ts';
import { startBareHttp } from '../world/bare-http.ts';
import { hotLinks } from '../world/hot-links.ts';
import { startMapper } from '../world/mapper.ts';
import type { PrivateCluster } from '../world/private-cluster.ts';
import { type Bench, type BenchContext } from './bench.ts';
import { CONNECTIONS, httpArm, throughput } from './http-arm.ts';

const ALPHAS = [0.7, 0.9, 1] as const;
const GOAL_ALPHA = 'α 1.0';
const UNKNOWN_SHARE = 0.05;
const CACHE_SHARE = 0.01;
/** Requests of one window are read from the sequence. A faster server gets some of them twice. */
const REQUESTS_PER_SECOND = 60_000;
const FULL = { links: 1_000_000, sequence: 3_000_000 };
const QUICK = { links: 100_000, sequence: 300_000 };

/** A million links, of which memory holds 1 %, requested by popularity. Some requests have unknown keys. */
export const redirectZipf: Bench = {
  name: 'redirect-zipf',
  does: '1 M links, cache of 1 %, Zipf α 0.7, 0.9 and 1.0, 5 % unknown keys, beside bare node:http',
  long: false,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  const { links, sequence: length } = context.quick ? QUICK : FULL;
  const cluster = await context.privateCluster();
  await cluster.links.fill(links, context);
  const bytesPerLink = await measureCacheBytes(cluster, context);
  const settings = { KEYMILL_CACHE_MAX_BYTES: String(Math.ceil(links * CACHE_SHARE * bytesPerLink)) };
  await using stack = new AsyncDisposableStack();
  const files = await Promise.all(
    ALPHAS.map(async (alpha) => {
      const options = { links, alpha, unknownShare: UNKNOWN_SHARE, count: length, seed: 7 };
      return cluster.links.writeKeys(keySequence(options));
    }),
  );
  // One mapper for each sequence, so that no other sequence fills its memory.
  const mappers = [];
  for (const _ of ALPHAS) mappers.push(stack.use(await startMapper(cluster, context.signal, settings)));
  const first = mappers[0];
  if (first === undefined) throw new RangeError('no mapper');
  const bare = stack.use(await startBareHttp(first.url, `/${cluster.links.keys(0, 1)[0]}`, context.signal));
  const arms = [...mappers, bare].map((server, i) => {
    const file = files[i] ?? files[files.length - 1];
    if (file === undefined) throw new RangeError('no keys');
    let offset = 0;
    const requests = (seconds: number) => {
      const count = Math.min(file.count, REQUESTS_PER_SECOND * seconds);
      if (offset + count > file.count) offset = 0;
      offset += count;
      return { kind: 'keys', file, offset: offset - count, count } as const;
    };
    const alpha = ALPHAS[i];
    const name = alpha === undefined ? 'bare' : nameOf(alpha);
    return httpArm({
      context,
      name,
      server,
      requests,
      allowErrors: true,
      others: { mysql: cluster.pids.mysql },
    });
  });
  // Memory must hold the popular links before the first round.
  for (const arm of arms) for (let i = 0; i < (context.quick ? 1 : 3); i++) await arm.run(3, -1);
  const measurement = await measure(context, { name: 'redirect-zipf', arms, watched: [throughput] });
  const { sequence } = measurement;
  const alphas = ALPHAS.map(nameOf).map((name) => {
    const { ratio, interval } = ratioOf(sequence, name, 'bare', answersPerSecond);
    const perSecond = round(typicalOf(sequence, name, answersPerSecond));
    return [name, { perSecond, ratio: round(ratio), interval: interval.map(round) }] as const;
  });
  return toPairedRow({
    name: 'redirect-zipf',
    unit: 'requests/s',
    measurement,
    ours: GOAL_ALPHA,
    beside: 'bare',
    of: answersPerSecond,
    baseline: 'bare node:http, one process, 302 of the same bytes, same load; α 1.0 is judged',
    goal: 0.8,
    details: {
      links,
      connections: CONNECTIONS,
      cacheBytes: Number(settings.KEYMILL_CACHE_MAX_BYTES),
      cacheBytesPerLink: round(bytesPerLink),
      rowBytes: round(await cluster.links.rowBytes()),
      unknownShare: UNKNOWN_SHARE,
      alphas: Object.fromEntries(alphas),
    },
  });
}

function nameOf(alpha: number): string {
  return `α ${alpha.toFixed(1)}`;
}

/** All answers a second: the 404 of an unknown key counts too. */
function answersPerSecond({ perSecond, errorShare }: { perSecond: number; errorShare: number }): number {
  return perSecond / (1 - errorShare);
}

/** Bytes of a link in the mapper's memory, by its own account. */
export async function measureCacheBytes(cluster: PrivateCluster, context: BenchContext): Promise<number> {
  const { paths } = await hotLinks(cluster, context);
  await using mapper = await startMapper(cluster, context.signal);
  await using client = new LatencyClient(context.signal);
  await client.run({ url: mapper.url, paths, connections: 16, durationMs: 1_000 });
  const bytes = await mapper.metric('keymill_link_cache_bytes');
  const entries = await mapper.metric('keymill_link_cache_entries');
  if (bytes && entries) return bytes / entries;
  throw new KeymillError('BENCH_FAILED', 'the mapper reports no size of its cache');
}
