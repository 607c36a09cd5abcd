import type { BroughtUp } from './bring-up.ts';
import type { Progress } from './progress.ts';

/** Prints what runs where and what to try next, on stdout. */
export function printSummary({ addresses }: BroughtUp, progress: Progress, isDetached: boolean): void {
  process.stdout.write(`ready after ${progress.seconds.toFixed(1)} s ${isDetached} ${addresses.zookeeper}\n`);
}
