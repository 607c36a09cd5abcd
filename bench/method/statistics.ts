/** Sorted copy. */
function sorted(samples: readonly number[]): number[] {
  return samples.toSorted((a, b) => a - b);
}

/** NaN without samples. */
export function medianOf(samples: readonly number[]): number {
  return quantileOf(samples, 0.5);
}

/** Interpolates linearly between the sorted samples (type 7 of Hyndman and Fan). NaN without samples. */
export function quantileOf(samples: readonly number[], q: number): number {
  const values = sorted(samples);
  const at = (values.length - 1) * q;
  const below = values[Math.floor(at)] ?? Number.NaN;
  const above = values[Math.ceil(at)] ?? Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}

/** Numbers in [0, 1). The same seed gives the same numbers (mulberry32, Tommy Ettinger, public domain). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const RESAMPLES = 4_000;

/**
 * The 95 % percentile-bootstrap interval of a statistic (Efron 1979), from 4,000 resamples with replacement.
 * The same samples always give the same interval.
 */
export function bootstrapOf(
  samples: readonly number[],
  statistic: (samples: readonly number[]) => number = medianOf,
): [number, number] {
  if (samples.length === 0) return [Number.NaN, Number.NaN];
  const random = createRandom(samples.length);
  const draws = Array.from({ length: RESAMPLES }, () =>
    statistic(samples.map(() => samples[Math.floor(random() * samples.length)] ?? Number.NaN)),
  );
  return [quantileOf(draws, 0.025), quantileOf(draws, 0.975)];
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
  const ordered = sorted(slopes);
  const spread = 1.96 * Math.sqrt((count * (count - 1) * (2 * count + 5)) / 18);
  const at = (rank: number): number =>
    ordered[Math.min(ordered.length - 1, Math.max(0, Math.round(rank)))] ?? Number.NaN;
  const lower = at((ordered.length - spread) / 2 - 1);
  const upper = at((ordered.length + spread) / 2);
  return { slope: medianOf(ordered), interval: [lower, upper] };
}
