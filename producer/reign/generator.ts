import type { KeysDb } from '../../db/keys-db/keys-db.ts';
import { keysAmong } from '../../db/keyspace/loose-ends.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { restAfter } from '../../runtime/pace.ts';
import type { Bell } from '../bell.ts';
import { Failures } from './failures.ts';
import type { Stock, StockLimits } from './stock.ts';
import { whenWritable, type WriteGate } from './write-gate.ts';

export interface GeneratorOptions {
  readonly keysDb: KeysDb;
  readonly epoch: number;
  readonly gate: WriteGate;
  readonly stock: Stock;
  readonly log: Log;
  /** Rung when a claim found no unused key. */
  readonly exhausted: Bell;
  readonly onUnused: (unused: number) => void;
}

const LOOK_MS = 1_000;
const BACKOFF = { baseMs: 100, maxMs: 5_000 };
/** Keys per step while generation is not urgent: one INSERT of some milliseconds. */
const SMALL_STEP = 2_000;

/**
 * How many keys to generate next, and whether it is urgent. Pure.
 *
 * Used keys are replaced immediately but slowly: a hundred thousand keys at full speed take a second of every
 * core, and requests to shorten wait for that second.
 */
export function nextKeys(unused: number, { low, count }: StockLimits): { count: number; isUrgent: boolean } {
  if (unused < low) return { count, isUrgent: true };
  const step = Math.min(SMALL_STEP, count);
  return { count: low + count - unused < step ? 0 : step, isUrgent: false };
}

/**
 * Keeps enough unused keys, until aborted.
 *
 * @throws FencedError when another reign has begun
 */
export async function keepGenerated(options: GeneratorOptions, signal: AbortSignal): Promise<void> {
  const { keysDb, epoch, gate, stock, log, exhausted, onUnused } = options;
  const failures = new Failures(log, BACKOFF);
  while (!signal.aborted) {
    await whenWritable(gate, signal);
    if (signal.aborted) return;
    try {
      const { claimedTo, generatedTo } = await keysDb.ownership();
      stock.observe(keysAmong(generatedTo - claimedTo));
      onUnused(stock.unused);
      const { count, isUrgent } = nextKeys(stock.unused, stock.limits);
      const startedMs = monotonicMs();
      if (count > 0) await keysDb.generate({ count, epoch, signal });
      failures.forget();
      if (isUrgent) continue;
      const tookMs = monotonicMs() - startedMs;
      await exhausted.wait(count > 0 ? restAfter(tookMs) : LOOK_MS, signal);
    } catch (error) {
      await failures.pauseAfter(error, 'cannot generate keys for now', signal);
    }
  }
}
