import type { KeysDb } from '../db/keys-db.ts';
import { FencedError } from '../db/store-errors.ts';
import type { Log } from '../runtime/log.ts';
import { delayFor, pauseQuietly } from '../runtime/retry.ts';
import type { Bell } from './bell.ts';
import { whenWritable, type WriteGate } from './write-gate.ts';

export interface GeneratorOptions {
  readonly keysDb: KeysDb;
  readonly epoch: number;
  readonly gate: WriteGate;
  /** Generate below this many unused keys, `count` at a time. */
  readonly low: number;
  readonly count: number;
  readonly log: Log;
  /** Rung by the refill when it found nothing unused. */
  readonly bell: Bell;
  readonly onUnused: (unused: number) => void;
}

const LOOK_MS = 1_000;
const BACKOFF = { baseMs: 100, maxMs: 5_000 };

/**
 * Keeps unused keys above the low mark while the shard is held, until aborted.
 *
 * @throws FencedError when another reign has begun
 */
export async function keepGenerated(options: GeneratorOptions, signal: AbortSignal): Promise<void> {
  const { keysDb, epoch, gate, low, count, log, bell, onUnused } = options;
  let failures = 0;
  while (!signal.aborted) {
    await whenWritable(gate, signal);
    if (signal.aborted) return;
    try {
      const { claimedTo, generatedTo } = await keysDb.ownership();
      onUnused(generatedTo - claimedTo);
      if (generatedTo - claimedTo >= low) {
        await bell.wait(LOOK_MS, signal);
      } else {
        await keysDb.generate({ count, epoch, signal });
      }
      failures = 0;
    } catch (error) {
      if (error instanceof FencedError) throw error;
      if (signal.aborted) return;
      if (failures === 0) log.warn({ error }, 'cannot generate keys for now');
      failures += 1;
      await pauseQuietly(delayFor(failures - 1, BACKOFF), signal);
    }
  }
}
