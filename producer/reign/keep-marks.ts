import type { UrlsWatch } from '../../db/audit/urls-watch.ts';
import type { Log } from '../../runtime/log.ts';
import { pauseQuietly } from '../../runtime/retry.ts';
import { Failures } from './failures.ts';
import { whenWritable, type WriteGate } from './write-gate.ts';

export interface KeepMarksOptions {
  readonly watch: Pick<UrlsWatch, 'beat'>;
  readonly gate: WriteGate;
  readonly log: Log;
  /** Default 5 s: a copy of a urls server that is younger shows by nothing but the server's identity. */
  readonly everyMs?: number;
}

const EVERY_MS = 5_000;
const BACKOFF = { baseMs: 1_000, maxMs: 5_000 };

/**
 * Counts up our mark on every urls server at intervals, until aborted. A server that does not answer gets its
 * mark at a later time.
 *
 * @throws FencedError when another reign has begun
 */
export async function keepMarks(options: KeepMarksOptions, signal: AbortSignal): Promise<void> {
  const { watch, gate, log, everyMs = EVERY_MS } = options;
  const failures = new Failures(log, BACKOFF);
  while (!signal.aborted) {
    await whenWritable(gate, signal);
    if (signal.aborted) return;
    try {
      await watch.beat();
      failures.forget();
      await pauseQuietly(everyMs, signal);
    } catch (error) {
      await failures.pauseAfter(error, 'marks on the urls servers not kept for now', signal);
    }
  }
}
