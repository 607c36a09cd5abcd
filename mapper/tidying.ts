import { performance } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';

const LOOK_MS = 2_000;
/** Of the time since the last look. One request a second is less, 1,000 redirects a second are more. */
const QUIET = 0.05;
/** A collection takes 30 ms, so there must be something to give back. */
const WORTH_BYTES = 2 * 2 ** 20;

/**
 * Collects garbage while nobody waits, in a small cluster, where Node is started with --expose-gc: what the
 * start needed, 8 MB, and what remains after every burst of requests, 10 MB. V8 by itself would keep it until
 * there are more requests.
 */
export function tidyWhenQuiet(collect: () => void): void {
  let seen = performance.eventLoopUtilization();
  let keptBytes = 0;
  setInterval(() => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, seen);
    seen = now;
    if (utilization > QUIET || heapBytes() < keptBytes + WORTH_BYTES) return;
    collect();
    keptBytes = heapBytes();
    seen = performance.eventLoopUtilization();
  }, LOOK_MS).unref();
}

function heapBytes(): number {
  return getHeapStatistics().total_heap_size;
}
