import { median } from '../../runtime/statistics.ts';
import { LatencyClient } from '../load/latency.ts';
import { PacedClient } from '../load/paced.ts';
import { typicalOf } from '../method/measure.ts';
import { toPairedRow } from '../method/paired-row.ts';
import { round, type BenchRow } from '../method/row.ts';
import type { Bench, BenchContext } from './bench.ts';
import { typicalTimes } from './busy-times.ts';
import { compareClicks, DISTINCT, lossesOf, type Compared, type Follow } from './click-dimensions.ts';
import { CONNECTIONS } from './http-arm.ts';

/** Shares of the maximum rate, from the one that is wanted down. */
const SHARES = [0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1];
/** A client that is later than this measures itself: p99, in ms, beside the mapper that counts nothing. */
const LATEST_MS = 1;
const LEAD_IN_MS = 500;
const PROBE_MS = 2_000;
const PROBES = 3;
const GOAL = 1.2;

/** What it costs a redirect that the headers of clicks are read, in latency. */
export const clickTail: Bench = {
  name: 'click-tail',
  does: 'p99 of cached redirects that count all dimensions, at half of the maximum rate, beside those that count nothing',
  long: false,
  run,
};

interface PacedFollow extends Follow {
  readonly maximum: number;
  readonly share: number;
}

async function run(context: BenchContext): Promise<BenchRow> {
  await using closed = new LatencyClient(context.signal);
  await using paced = new PacedClient(context.signal);
  return await compareClicks<PacedFollow>(context, {
    name: 'click-tail',
    watched: { quantity: 'tail', of: tailOf },
    databasesGiveWay: true,
    begin: async ({ repeated, off }, paths) => {
      const load = { paths, connections: CONNECTIONS };
      const rates: number[] = [];
      for (let i = 0; i < (context.quick ? 2 : 4); i += 1) {
        const task = { ...load, url: repeated.url, visitors: 1, durationMs: 2_000 };
        rates.push((await closed.run(task)).perSecond);
      }
      // The first one warms up the compiler.
      const maximum = median(rates.slice(1));
      const runPaced = async (url: string, visitors: number, durationMs: number, perSecond: number) =>
        paced.run({ ...load, url, visitors, durationMs, perSecond, leadInMs: LEAD_IN_MS });
      const lateAt = async (share: number): Promise<number> => {
        const late: number[] = [];
        for (let i = 0; i < PROBES; i += 1)
          late.push((await runPaced(off.url, 1, PROBE_MS, maximum * share)).lateP99Ms);
        return median(late);
      };
      // Code that has just been compiled is late too.
      await lateAt(SHARES.at(-1) ?? 0);
      const share = await firstInTime(lateAt);
      const perSecond = maximum * share;
      return {
        maximum,
        share,
        perSecond,
        clientPid: paced.pid,
        follow: async ({ url }, visitors, seconds) => runPaced(url, visitors, seconds * 1_000, perSecond),
      };
    },
    judge,
  });
}

/** The highest share at which the client is in time, or the lowest of all. */
async function firstInTime(lateAt: (share: number) => Promise<number>): Promise<number> {
  for (const share of SHARES) if ((await lateAt(share)) < LATEST_MS) return share;
  return SHARES.at(-1) ?? 0;
}

const tailOf = ({ p99Ms }: { readonly p99Ms: number }): number => p99Ms;

function judge({ measurement, maximum, share, perSecond }: Compared<PacedFollow>): BenchRow {
  const beside = { beside: 'off', baseline: 'the same mapper with KEYMILL_COUNT_CLICKS=false' } as const;
  const lateOf = (arm: string): number => typicalOf(measurement.sequence, arm, ({ lateP99Ms }) => lateP99Ms);
  return toPairedRow({
    name: 'click-tail',
    unit: 'ms',
    measurement,
    ours: 'repeated',
    ...beside,
    of: tailOf,
    better: 'lower',
    goal: GOAL,
    fault:
      lateOf('off') < LATEST_MS ? undefined : `its client was late itself: ${lateOf('off').toFixed(2)} ms`,
    further: [{ label: `of ${DISTINCT} visitors`, ours: 'distinct', ...beside, goal: GOAL }],
    details: {
      ...lossesOf(measurement),
      maximumPerSecond: round(maximum),
      share,
      perSecond: round(perSecond),
      connections: CONNECTIONS,
      clientLateMs: {
        off: round(lateOf('off')),
        repeated: round(lateOf('repeated')),
        distinct: round(lateOf('distinct')),
      },
      msEachSecond: Object.fromEntries(
        ['off', 'repeated', 'distinct'].map((arm) => [arm, typicalTimes(measurement.sequence, arm)]),
      ),
    },
  });
}
