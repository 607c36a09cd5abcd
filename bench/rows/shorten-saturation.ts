import { median } from '../../runtime/statistics.ts';
import { measure, typicalOf } from '../method/measure.ts';
import { pairsOf, type Window } from '../method/order.ts';
import { toPairedRow } from '../method/paired-row.ts';
import { round, type BenchRow } from '../method/row.ts';
import { bootstrapOf } from '../method/statistics.ts';
import { startMapper } from '../world/mapper.ts';
import { type Bench, type BenchContext } from './bench.ts';
import { httpArm, throughput, type HttpSample } from './http-arm.ts';

/** The first one saturates the mapper; the others are four and sixteen times as many. */
const STEPS = [64, 256, 1_024] as const;
const BEYOND = STEPS.slice(1);

/** With 4 and 16 times the connections that saturate it, the mapper must not do less. */
export const shortenSaturation: Bench = {
  name: 'shorten-saturation',
  does: `acknowledged links/s at ${STEPS.join(', ')} connections, beside the best of them`,
  long: false,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  const cluster = await context.privateCluster();
  await using mapper = await startMapper(cluster, context.signal);
  const arms = STEPS.map((connections) =>
    httpArm({
      context,
      name: String(connections),
      server: mapper,
      connections,
      requests: () => ({ kind: 'shorten' }) as const,
      allowErrors: true,
    }),
  );
  const measurement = await measure(context, {
    name: 'shorten-saturation',
    arms,
    watched: [throughput],
    quiesce: async () => cluster.quiesce(context.signal),
  });
  const { sequence } = measurement;
  const rates = STEPS.map((step) => typicalOf(sequence, String(step), throughput.of));
  const best = STEPS[rates.indexOf(Math.max(...rates))];
  const worst = STEPS[rates.indexOf(Math.min(...rates.slice(1)), 1)];
  return toPairedRow({
    name: 'shorten-saturation',
    unit: 'links/s',
    measurement,
    ours: String(worst),
    beside: String(best),
    of: throughput.of,
    baseline: `acknowledged links/s at the best of ${STEPS.join(', ')} connections; judged by the worse of ${BEYOND.join(' and ')}`,
    goal: 0.9,
    ratio: worstOf(sequence),
    details: {
      perSecond: Object.fromEntries(STEPS.map((step, i) => [step, round(rates[i] ?? 0)])),
      refusedShare: Object.fromEntries(
        STEPS.map((step) => [step, round(typicalOf(sequence, String(step), ({ errorShare }) => errorShare))]),
      ),
    },
  });
}

/**
 * The worst step beyond saturation ÷ the best of all steps, from each step's median ratio to the first one.
 * Taking the worst of each round instead would pick the worst of the noise. The interval resamples whole
 * rounds.
 */
function worstOf(sequence: readonly Window<HttpSample>[]): { ratio: number; interval: [number, number] } {
  const steps = STEPS.map((step) =>
    pairsOf(sequence, String(step), String(STEPS[0])).map(([a, b]) => a.perSecond / b.perSecond),
  );
  const rounds = steps[0]?.map((_, round) => round) ?? [];
  const of = (some: readonly number[]): number => {
    const medians = steps.map((ratios) => median(some.map((round) => ratios[round] ?? Number.NaN)));
    return Math.min(...medians.slice(1)) / Math.max(...medians);
  };
  return { ratio: of(rounds), interval: bootstrapOf(rounds, of) };
}
