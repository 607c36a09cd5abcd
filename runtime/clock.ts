/**
 * Milliseconds on the local monotonic clock, for durations and deadlines. A step of the wall clock does not
 * change it.
 */
export function monotonicMs(): number {
  return performance.now();
}

/** The wall clock as ISO 8601 UTC with milliseconds, for people and for stored times. */
export function isoNow(): string {
  return new Date().toISOString();
}
