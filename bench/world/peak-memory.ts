import { memoryOf, residentBytesOf } from './cpu.ts';

/** Young garbage comes and goes within some 100 ms. */
const LOOK_MS = 50;

/** The highest resident memory of a process and its descendants while `work` runs, in bytes. */
export async function peakMemoryOf(pid: number, work: () => Promise<unknown>): Promise<number> {
  return peakOf(() => residentBytesOf(pid), work);
}

/** The same, and that of the process alone. */
export async function peakMemoriesOf(
  pid: number,
  work: () => Promise<unknown>,
): Promise<{ readonly all: number; readonly own: number }> {
  let all = 0;
  const own = await peakOf(
    () => memoryOf(pid)?.bytes ?? 0,
    async () => {
      all = await peakMemoryOf(pid, work);
    },
  );
  return { all, own };
}

async function peakOf(look: () => number, work: () => Promise<unknown>): Promise<number> {
  let peakBytes = look();
  const looking = setInterval(() => {
    peakBytes = Math.max(peakBytes, look());
  }, LOOK_MS);
  try {
    await work();
  } finally {
    clearInterval(looking);
  }
  return peakBytes;
}
