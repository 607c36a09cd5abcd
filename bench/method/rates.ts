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
