import { spawn } from 'node:child_process';
import type { Mysql } from '../../db/mysql/mysql.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { KeymillError } from '../../runtime/errors.ts';
import { pauseQuietly } from '../../runtime/retry.ts';
import type { BenchRun } from '../method/bench-run.ts';
import { bareEnvironment } from '../servers/environment.ts';
import { programOf, type Product } from '../servers/product.ts';
import { cpuMsOfOne, memoryOf } from './cpu.ts';

/** Frequent enough for memory and for a rate over minutes. */
const LOOK_MS = 100;
const TENTHS = 10;

export interface Generated {
  /**
   * The time of the last look before the first published keys, so that the start of the process does not
   * count.
   */
  readonly startMs: number;
  readonly endMs: number;
  /** Times in ms and keys published so far, from `startMs` on. */
  readonly seen: readonly (readonly [number, number])[];
  /** From the first published keys to the last. */
  readonly keysPerSecond: number;
  /** CPU time of the process in µs for each key, from the first published keys to the last. */
  readonly cpuUsPerKey: number;
  /** The highest ever, kept by the kernel, not only at the samples. */
  readonly peakResidentMib: number;
  /** After each tenth. Memory is flat when the last is no larger than the first. */
  readonly residentMib: readonly number[];
}

/**
 * Generates keys by the command that an operator types, in a process of its own. The rate is read from the
 * database (the published mark), the memory from the kernel.
 * @param db the keys-db `keys-db-1` that `variables` describe
 * @throws KeymillError when the command fails
 */
export async function generateKeys(
  run: BenchRun,
  options: {
    readonly product: Product;
    readonly variables: Readonly<Record<string, string>>;
    readonly db: Mysql;
    readonly count: number;
    /** From one look at the published mark to the next; default 100 ms. */
    readonly lookMs?: number;
    readonly onProgress?: (made: number) => void;
  },
): Promise<Generated> {
  const { product, variables, db, count, lookMs = LOOK_MS } = options;
  const base = await markOf(db);
  const args = ['keys', 'generate', '--keys-db', 'keys-db-1', '--count', String(count), '--json'];
  const child = spawn(product.node, [programOf(product, 'keymill'), ...args], {
    env: { ...bareEnvironment(), ...variables },
    stdio: ['ignore', 'ignore', 'pipe'],
    signal: run.signal,
  });
  let complaints = '';
  child.stderr.on('data', (chunk: Buffer) => (complaints = (complaints + chunk.toString()).slice(-2_000)));
  const exited = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
  exited.catch(() => undefined);
  const seen: [number, number][] = [];
  const cpuMs: number[] = [];
  const resident: number[] = [];
  let peakResidentMib = 0;
  let startMs = monotonicMs();
  for (let made = 0; child.exitCode === null && child.signalCode === null;) {
    const now = (await markOf(db)) - base;
    const atMs = monotonicMs();
    if (now === 0) startMs = atMs;
    if (now > made) {
      seen.push([atMs, now]);
      cpuMs.push(cpuMsOfOne(child.pid));
    }
    made = now;
    const memory = memoryOf(child.pid);
    if (memory) {
      peakResidentMib = Math.max(peakResidentMib, inMib(memory.peakBytes));
      while (resident.length < Math.floor((made / count) * TENTHS)) resident.push(inMib(memory.bytes));
    }
    options.onProgress?.(made);
    await pauseQuietly(lookMs, run.signal);
  }
  const code = await exited;
  run.signal.throwIfAborted();
  if (code !== 0)
    throw new KeymillError('BENCH_FAILED', `keymill keys generate ended with ${code}:\n${complaints}`);
  // The mark counts ids, of which some have no key. The last mark belongs to exactly `count` keys.
  const keysPerId = count / Math.max(1, seen.at(-1)?.[1] ?? 0);
  for (const look of seen) look[1] = Math.round(look[1] * keysPerId);
  const [firstMs = startMs, first = 0] = seen[0] ?? [];
  const [endMs, last] = seen.at(-1) ?? [startMs, 0];
  return {
    startMs,
    endMs,
    seen: [[startMs, 0], ...seen],
    keysPerSecond: ((last - first) * 1_000) / Math.max(1, endMs - firstMs),
    cpuUsPerKey: (((cpuMs.at(-1) ?? 0) - (cpuMs[0] ?? 0)) * 1_000) / Math.max(1, last - first),
    peakResidentMib,
    residentMib: resident,
  };
}

/** Up to which id the keys of this keys-db are published. */
export async function markOf(db: Mysql): Promise<number> {
  const [row] = await db.queryArrays<[number]>('SELECT generated_to FROM ownership WHERE id = 1', [], {
    timeoutMs: 30_000,
  });
  return row?.[0] ?? 0;
}

function inMib(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
