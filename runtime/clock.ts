/** Milliseconds on the local monotonic clock: for every duration and deadline; a step of the wall clock cannot move it. */
export function monotonicMs(): number {
  return performance.now();
}

/** The wall clock as ISO 8601 UTC with milliseconds, for people and for rows. */
export function isoNow(): string {
  return new Date().toISOString();
}
