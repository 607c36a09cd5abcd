import { bootstrapOf, createRandom, medianOf } from '../method/statistics.ts';
import type { PrivateCluster } from '../private-cluster.ts';
import { round, toRow, type Bench, type BenchContext, type BenchRow } from '../row.ts';
import { startBareHttp } from '../world/bare-http.ts';
import { startMapper } from '../world/mapper.ts';
import { httpArm, type HttpSample } from './http-arm.ts';
import { shortenArm } from './shorten.ts';
import type { Arm } from '../method/measure.ts';
import { measureCacheBytes } from './redirect-zipf.ts';

const FULL = { sizes: [10_000, 1_000_000, 10_000_000], stretches: 20, seconds: 3 };
const QUICK = { sizes: [2_000, 20_000], stretches: 2, seconds: 1 };
const BUFFER_POOL_BYTES = 4 * 2 ** 30;
/** So few links in memory that nearly every redirect reads a store, whatever the size. */
const CACHED_LINKS = 100;
const REQUESTS_PER_SECOND = 30_000;

/** What a mapper does with ten thousand links it must do with ten million. The store only grows, so the sizes come in one order. */
export const growth: Bench = {
  name: 'growth',
  does: 'shorten and redirect at 10 k, 1 M and 10 M links stored, 60 s each, 4 GB buffer pool',
  long: true,
  run,
};

interface AtSize {
  readonly stored: number;
  readonly redirects: readonly number[];
  readonly shortens: readonly number[];
  readonly bare: number;
}

async function run(context: BenchContext): Promise<BenchRow> {
  const { sizes } = context.quick ? QUICK : FULL;
  const cluster = await context.privateCluster();
  const { dbs } = cluster.links;
  for (const db of dbs)
    await db.execute('SET GLOBAL innodb_buffer_pool_size = ?', [BUFFER_POOL_BYTES / dbs.length]);
  const cacheBytes = CACHED_LINKS * (await measureCacheBytes(cluster, context));
  const seen: AtSize[] = [];
  let made = 0;
  for (const size of sizes) {
    // What the stretches before have made is stored too.
    await cluster.links.fill(Math.max(1_000, size - made), context);
    context.say(`growth: at ${(cluster.links.count + made).toLocaleString('en-US')} links`);
    const at = await measureSize(context, cluster, cluster.links.count + made, cacheBytes);
    made += Math.round(
      at.shortens.reduce((sum, rate) => sum + rate, 0) * (context.quick ? QUICK : FULL).seconds,
    );
    seen.push(at);
  }
  return judge(seen);
}

async function measureSize(
  context: BenchContext,
  cluster: PrivateCluster,
  stored: number,
  cacheBytes: number,
): Promise<AtSize> {
  const { stretches, seconds } = context.quick ? QUICK : FULL;
  const settings = { KEYMILL_CACHE_MAX_BYTES: String(Math.ceil(cacheBytes)) };
  await using mapper = await startMapper(cluster, context.signal, settings);
  await using bare = await startBareHttp(mapper.url, `/${cluster.links.keys(0, 1)[0]}`, context.signal);
  const random = createRandom(stored);
  const { count } = cluster.links;
  const asked = REQUESTS_PER_SECOND * seconds;
  const file = await cluster.links.writeKeys(
    Int32Array.from({ length: asked * stretches }, () => Math.floor(random() * count)),
  );
  let offset = -asked;
  const requests = () => {
    offset = (offset + asked) % (asked * stretches);
    return { kind: 'keys', file, offset, count: asked } as const;
  };
  const redirect = httpArm({ context, name: 'redirect', server: mapper, requests });
  const shorten = shortenArm(context, cluster, mapper);
  const repeat = async (arm: Arm<HttpSample>, times: number): Promise<number[]> => {
    const rates: number[] = [];
    for (let i = 0; i < times; i++) {
      context.signal.throwIfAborted();
      rates.push((await arm.run(seconds, i)).perSecond);
    }
    return rates;
  };
  const bareRates = await repeat(httpArm({ context, name: 'bare', server: bare, requests }), 4);
  await repeat(redirect, 1);
  const redirects = await repeat(redirect, stretches);
  await repeat(shorten, 1);
  const shortens = await repeat(shorten, stretches);
  return { stored, redirects, shortens, bare: medianOf(bareRates.slice(1)) };
}

function judge(seen: readonly AtSize[]): BenchRow {
  const first = seen[0];
  if (first === undefined) throw new RangeError('nothing was measured');
  const ratios = seen.slice(1).flatMap((at) =>
    (['redirects', 'shortens'] as const).map((what) => {
      const samples = at[what].map((rate) => rate / medianOf(first[what]));
      return { at, what, ratio: medianOf(samples), interval: bootstrapOf(samples) };
    }),
  );
  const worst = ratios.toSorted((a, b) => a.ratio - b.ratio)[0];
  if (worst === undefined) throw new RangeError('nothing to compare');
  const control = (seen.at(-1)?.bare ?? 0) / first.bare;
  const goal = 0.7;
  const row = toRow({
    name: 'growth',
    unit: `${worst.what}/s`,
    value: medianOf(worst.at[worst.what]),
    samples: [],
    interval: worst.interval,
    baseline: `${worst.what}/s at ${first.stored.toLocaleString('en-US')} links; the worst of all sizes, of redirects and of shortens`,
    baselineValue: medianOf(first[worst.what]),
    control,
    details: {
      sizes: seen.map(({ stored, redirects, shortens, bare }) => ({
        stored,
        redirectsPerSecond: round(medianOf(redirects)),
        shortensPerSecond: round(medianOf(shortens)),
        barePerSecond: round(bare),
      })),
      worst: `${worst.what} at ${worst.at.stored.toLocaleString('en-US')} links`,
      bufferPoolBytes: BUFFER_POOL_BYTES,
      control:
        'bare node:http at the last size ÷ at the first; redirects read a random link, nearly none from memory',
    },
  });
  return {
    ...row,
    judged: 'ratio',
    goal,
    passed: worst.ratio >= goal && Math.abs(control - 1) <= 0.05,
  };
}
