import { createRandom } from '../../runtime/random.ts';
import { median, percentile } from '../../runtime/statistics.ts';

const RESAMPLES = 4_000;

/**
 * The 95 % percentile-bootstrap interval of a statistic (Efron 1979), from 4,000 resamples with replacement.
 * The same samples always give the same interval.
 */
export function bootstrapOf(
  samples: readonly number[],
  statistic: (samples: readonly number[]) => number = median,
): [number, number] {
  if (samples.length === 0) return [Number.NaN, Number.NaN];
  const random = createRandom(samples.length);
  const draws = Array.from({ length: RESAMPLES }, () =>
    statistic(samples.map(() => samples[Math.floor(random() * samples.length)] ?? Number.NaN)),
  );
  return [percentile(draws, 0.025), percentile(draws, 0.975)];
}

/** How values that were taken at equal steps rise. */
export interface Trend {
  /** Theil–Sen: the median of the slopes between all pairs, per step. One outlier hardly changes it. */
  readonly slope: number;
  /** Its 95 % interval (Sen 1968, by the variance of Kendall's S without ties). */
  readonly interval: readonly [number, number];
}

/** NaN with fewer than three values. */
export function trendOf(values: readonly number[]): Trend {
  const count = values.length;
  if (count < 3) return { slope: Number.NaN, interval: [Number.NaN, Number.NaN] };
  const slopes: number[] = [];
  values.forEach((value, i) => {
    for (let j = i + 1; j < count; j++) slopes.push(((values[j] ?? 0) - value) / (j - i));
  });
  const ordered = slopes.toSorted((a, b) => a - b);
  const spread = 1.96 * Math.sqrt((count * (count - 1) * (2 * count + 5)) / 18);
  const at = (rank: number): number =>
    ordered[Math.min(ordered.length - 1, Math.max(0, Math.round(rank)))] ?? Number.NaN;
  const lower = at((ordered.length - spread) / 2 - 1);
  const upper = at((ordered.length + spread) / 2);
  return { slope: median(ordered), interval: [lower, upper] };
}
