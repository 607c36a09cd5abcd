import { residentBytesApart, residentBytesOf } from './cpu.ts';

/** Young garbage comes and goes within some 100 ms. */
const LOOK_MS = 50;

/** The highest resident memory of a process and its descendants while `work` runs, in bytes. */
export async function peakMemoryOf(pid: number, work: () => Promise<unknown>): Promise<number> {
  return peakOf(() => residentBytesOf(pid), work);
}

/** The same without descendants that run a program of this name, and the highest of these. */
export async function peakMemoriesOf(
  pid: number,
  program: string,
  work: () => Promise<unknown>,
): Promise<{ readonly own: number; readonly apart: number }> {
  let apartBytes = 0;
  const own = await peakOf(() => {
    const { own: bytes, apart } = residentBytesApart(pid, program);
    apartBytes = Math.max(apartBytes, apart);
    return bytes;
  }, work);
  return { own, apart: apartBytes };
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
