import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** Ticks of a thread that only counts how long it runs; see {@link ranMs}. */
const THREAD = `
const { parentPort, workerData } = require('node:worker_threads');
const [EVERY_MS, MOST_MS] = [4, 20];
let lastMs = performance.now();
setInterval(() => {
  const nowMs = performance.now();
  // Whoever was not woken for longer did not run for that time: neither we nor what we measure.
  Atomics.add(workerData, 0, BigInt(Math.round(Math.min(nowMs - lastMs, MOST_MS) * 1_000)));
  lastMs = nowMs;
}, EVERY_MS);
parentPort.postMessage('ticks');
`;

const ranUs = new BigInt64Array(new SharedArrayBuffer(8));
const thread = new Worker(THREAD, { eval: true, workerData: ranUs });
thread.unref();
await once(thread, 'message');

/**
 * A clock for bounds of time, in ms. It goes on only while this process runs, to within 20 ms: not while the
 * whole machine stands still for a moment, in which nothing that it measures can happen either. Time in which
 * the code under test waits, or blocks its event loop, counts.
 */
export function ranMs(): number {
  return Number(Atomics.load(ranUs, 0)) / 1_000;
}
