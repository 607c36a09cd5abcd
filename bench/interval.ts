/**
 * Two-sided 95 % quantiles of Student's t for 1, 2, … degrees of freedom. Beyond the table the normal
 * distribution is used.
 */
const T_95 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
  2.12, 2.11, 2.101, 2.093, 2.086,
];
const NORMAL_95 = 1.96;

export function meanOf(samples: readonly number[]): number {
  return samples.reduce((sum, sample) => sum + sample, 0) / samples.length;
}

/** The 95 % confidence interval of the mean (Student's t). A single sample gives that sample twice. */
export function intervalOf(samples: readonly number[]): [number, number] {
  const mean = meanOf(samples);
  if (samples.length < 2) return [mean, mean];
  const variance = samples.reduce((sum, sample) => sum + (sample - mean) ** 2, 0) / (samples.length - 1);
  const t = T_95[samples.length - 2] ?? NORMAL_95;
  const half = t * Math.sqrt(variance / samples.length);
  return [mean - half, mean + half];
}

/**
 * Rates of equal segments of work, from observations of a growing count.
 *
 * @param seen times in ms and counts, in order
 * @returns one rate per second for each of `segments` equal parts between the first and the last count
 */
export function ratesOf(seen: readonly (readonly [number, number])[], segments: number): number[] {
  const first = seen[0];
  const last = seen.at(-1);
  if (first === undefined || last === undefined || last[1] <= first[1]) return [];
  const step = (last[1] - first[1]) / segments;
  const times = Array.from({ length: segments + 1 }, (_, i) => timeAt(seen, first[1] + i * step));
  return times.slice(1).map((time, i) => (step / Math.max(0.001, time - (times[i] ?? 0))) * 1_000);
}

/** When the count passed `count`, by linear interpolation. */
function timeAt(seen: readonly (readonly [number, number])[], count: number): number {
  const after = seen.findIndex(([, value]) => value >= count - 1e-9);
  const [endMs, endCount] = seen[after] ?? seen.at(-1) ?? [0, 0];
  const [startMs, startCount] = seen[after - 1] ?? [endMs, endCount];
  if (endCount === startCount) return endMs;
  return startMs + ((count - startCount) / (endCount - startCount)) * (endMs - startMs);
}
