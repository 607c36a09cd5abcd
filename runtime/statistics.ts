/** The arithmetic mean; NaN without samples. */
export function mean(samples: readonly number[]): number {
  return samples.reduce((sum, sample) => sum + sample, 0) / samples.length;
}

/** NaN without samples. */
export function median(samples: readonly number[]): number {
  return percentile(samples, 0.5);
}

/**
 * The value below which `share` of the samples lies, interpolated linearly between the two nearest samples
 * (type 7 of Hyndman and Fan, 1996). NaN without samples. The choice for figures; for limits, see
 * `upperPercentile`.
 *
 * @param share from 0 (the minimum) to 1 (the maximum): 0.99 for the 99th percentile
 */
export function percentile(samples: ArrayLike<number>, share: number): number {
  const sorted = Float64Array.from(samples).sort();
  const position = (sorted.length - 1) * share;
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position - Math.floor(position));
}

/**
 * The smallest sample that more than `share` of the samples do not exceed, or the greatest sample if there is
 * none. NaN without samples.
 *
 * The choice for limits: it never interpolates, so two samples have the greater one as their median, and up
 * to 100 samples have their maximum as their 99th percentile. `percentile` would give lower values.
 */
export function upperPercentile(samples: readonly number[], share: number): number {
  const sorted = Float64Array.from(samples).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** Two-sided 95 % quantiles of Student's t for 1, 2, … 20 degrees of freedom. */
const STUDENT_T_95 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
  2.12, 2.11, 2.101, 2.093, 2.086,
];
/** The same for the normal distribution, which stands for more degrees of freedom. */
const NORMAL_95 = 1.96;

/** The 95 % confidence interval of the mean (Student's t). For a single sample, both ends are that sample. */
export function meanInterval95(samples: readonly number[]): [low: number, high: number] {
  const centre = mean(samples);
  if (samples.length < 2) return [centre, centre];
  const variance = samples.reduce((sum, sample) => sum + (sample - centre) ** 2, 0) / (samples.length - 1);
  const t = STUDENT_T_95[samples.length - 2] ?? NORMAL_95;
  const half = t * Math.sqrt(variance / samples.length);
  return [centre - half, centre + half];
}
