import { createRandom } from '../../runtime/random.ts';
import { median } from '../../runtime/statistics.ts';
import { judgeControl, MAX_ATTEMPTS, type Control } from '../method/control.ts';
import type { Arm } from '../method/measure.ts';
import { round, toRow, type BenchRow } from '../method/row.ts';
import { bootstrapOf } from '../method/statistics.ts';
import { startBareHttp } from '../world/bare-http.ts';
import { startMapper } from '../world/mapper.ts';
import type { PrivateCluster } from '../world/private-cluster.ts';
import { type Bench, type BenchContext } from './bench.ts';
import { httpArm, type HttpSample } from './http-arm.ts';
import { measureCacheBytes } from './redirect-zipf.ts';
import { shortenArm } from './shorten.ts';

const FULL = { sizes: [10_000, 1_000_000, 10_000_000], windows: 20, seconds: 3 };
const QUICK = { sizes: [2_000, 20_000], windows: 2, seconds: 1 };
/** Windows of the bare server before and after the windows of the mapper. */
const BARE_WINDOWS = 4;
const BUFFER_POOL_BYTES = 4 * 2 ** 30;
/** Few enough that nearly every redirect reads a store, whatever the size. */
const CACHED_LINKS = 100;
const REQUESTS_PER_SECOND = 30_000;

/**
 * A mapper must be as fast with ten million links as with ten thousand. The store only grows, so the sizes
 * come in one order, minutes apart. The bare server, measured before and after each size, shows how the
 * machine itself changed in between.
 */
export const growth: Bench = {
  name: 'growth',
  does: 'shorten and redirect at 10 k, 1 M and 10 M stored links (and those made meanwhile), 60 s each, 4 GB buffer pool',
  long: true,
  run,
};

/** The rates of the mapper, window by window, and the rate of the bare server in the same minutes. */
interface Sustained {
  readonly rates: readonly number[];
  readonly bare: number;
  /** Compares each window with the next one. */
  readonly control: Control;
  readonly attempts: number;
}

interface AtSize {
  readonly stored: number;
  readonly redirects: Sustained;
  readonly shortens: Sustained;
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
    // Redirects choose from this many links. The links that earlier windows made are stored in addition.
    await cluster.links.fill(size, context);
    context.say(`growth: at ${(cluster.links.count + made).toLocaleString('en-US')} links`);
    const at = await measureSize(context, cluster, cluster.links.count + made, cacheBytes);
    made += Math.round(median(at.shortens.rates) * secondsOf(context) * at.shortens.attempts);
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
  const { windows, seconds } = context.quick ? QUICK : FULL;
  const settings = { KEYMILL_CACHE_MAX_BYTES: String(Math.ceil(cacheBytes)) };
  await using mapper = await startMapper(cluster, context.signal, settings);
  await using bare = await startBareHttp(mapper.url, `/${cluster.links.keys(0, 1)[0]}`, context.signal);
  const random = createRandom(stored);
  const { count } = cluster.links;
  const asked = REQUESTS_PER_SECOND * seconds;
  const file = await cluster.links.writeKeys(
    Int32Array.from({ length: asked * windows }, () => Math.floor(random() * count)),
  );
  let offset = -asked;
  const requests = () => {
    offset = (offset + asked) % (asked * windows);
    return { kind: 'keys', file, offset, count: asked } as const;
  };
  const bareArm = httpArm({ context, name: 'bare', server: bare, requests });
  const repeat = async (arm: Arm<HttpSample>, times: number): Promise<number[]> => {
    const rates: number[] = [];
    for (let i = 0; i < times; i++) {
      context.signal.throwIfAborted();
      rates.push((await arm.run(seconds, i)).perSecond);
    }
    return rates;
  };
  const sustain = async (arm: Arm<HttpSample>): Promise<Sustained> => {
    await repeat(arm, 1);
    for (let attempts = 1; ; attempts++) {
      const before = await repeat(bareArm, BARE_WINDOWS);
      const rates = await repeat(arm, windows);
      const after = await repeat(bareArm, BARE_WINDOWS);
      const control = judgeControl('throughput', neighboursOf(rates));
      if (control.holds || context.quick || attempts === MAX_ATTEMPTS)
        return { rates, bare: median([...before, ...after]), control, attempts };
      context.say(`growth: the control failed (${control.ratio.toFixed(3)}); measuring again`);
    }
  };
  await repeat(bareArm, 1);
  return {
    stored,
    redirects: await sustain(httpArm({ context, name: 'redirect', server: mapper, requests })),
    shortens: await sustain(shortenArm(context, cluster, mapper)),
  };
}

function secondsOf(context: BenchContext): number {
  const { windows, seconds } = context.quick ? QUICK : FULL;
  return (windows + 1) * seconds;
}

/** Each window and the next one, with every second couple reversed. Pure. */
function neighboursOf(rates: readonly number[]): [number, number][] {
  const couples: [number, number][] = [];
  for (let i = 1; i < rates.length; i++) {
    const [first = 0, second = 0] = [rates[i - 1], rates[i]];
    couples.push(couples.length % 2 === 0 ? [first, second] : [second, first]);
  }
  return couples;
}

const KINDS = ['redirects', 'shortens'] as const;

function judge(seen: readonly AtSize[]): BenchRow {
  const [first, ...larger] = seen;
  if (first === undefined) throw new RangeError('nothing was measured');
  const compared = larger.flatMap((at) =>
    KINDS.map((what) => {
      const [now, then] = [at[what], first[what]];
      const machine = now.bare / then.bare;
      const samples = now.rates.map((rate) => rate / median(then.rates) / machine);
      return { at, what, machine, ratio: median(samples), interval: bootstrapOf(samples) };
    }),
  );
  const worst = compared.toSorted((a, b) => a.ratio - b.ratio)[0];
  if (worst === undefined) throw new RangeError('nothing to compare');
  const controls = seen.flatMap((at) => KINDS.map((what) => at[what].control));
  const furthest = controls.toSorted((a, b) => Math.abs(b.ratio - 1) - Math.abs(a.ratio - 1))[0];
  const goal = 0.7;
  const row = toRow({
    name: 'growth',
    unit: `${worst.what}/s`,
    value: median(worst.at[worst.what].rates),
    samples: [],
    interval: worst.interval,
    baseline: `${worst.what}/s at ${first.stored.toLocaleString('en-US')} links × the change of the bare server since then; the worst of all sizes, of redirects and of shortens`,
    baselineValue: median(first[worst.what].rates) * worst.machine,
    control: furthest?.ratio ?? Number.NaN,
    details: {
      sizes: seen.map(({ stored, redirects, shortens }) => ({
        stored,
        redirectsPerSecond: round(median(redirects.rates)),
        barePerSecondBesideRedirects: round(redirects.bare),
        shortensPerSecond: round(median(shortens.rates)),
        barePerSecondBesideShortens: round(shortens.bare),
      })),
      ratios: compared.map(({ at, what, machine, ratio }) => ({
        what: `${what} at ${at.stored.toLocaleString('en-US')} links`,
        ratio: round(ratio),
        asMeasured: round(ratio * machine),
        machine: round(machine),
      })),
      worst: `${worst.what} at ${worst.at.stored.toLocaleString('en-US')} links`,
      bufferPoolBytes: BUFFER_POOL_BYTES,
      controls: controls.map(({ ratio }) => round(ratio)),
      note: 'redirects read a random link, nearly none from memory; the control compares each window with the next',
    },
  });
  return {
    ...row,
    ratio: round(worst.ratio),
    judged: 'ratio',
    goal,
    passed: worst.ratio >= goal && controls.every(({ holds }) => holds),
  };
}
