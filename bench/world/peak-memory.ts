import { residentBytesOf } from './cpu.ts';

/** Young garbage comes and goes within some 100 ms. */
const LOOK_MS = 50;

/** The highest resident memory of a process and its descendants while `work` runs, in bytes. */
export async function peakMemoryOf(pid: number, work: () => Promise<unknown>): Promise<number> {
  let peakBytes = residentBytesOf(pid);
  const looking = setInterval(() => {
    peakBytes = Math.max(peakBytes, residentBytesOf(pid));
  }, LOOK_MS);
  try {
    await work();
  } finally {
    clearInterval(looking);
  }
  return peakBytes;
}
