import { stripVTControlCharacters } from 'node:util';

/** The number of checks that passed, failed and were skipped. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export const NOTHING: Tally = { passed: 0, failed: 0, skipped: 0 };

export function add(a: Tally, b: Tally): Tally {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}

/** The last line of every test run. Other programs read it, so its form stays. */
export function formatTally({ passed, failed, skipped }: Tally): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/**
 * Reads the summary at the end of mocha's spec report. A run with a bad exit code and no counted failure (it
 * crashed, or its files did not load) counts as one failure.
 */
export function tallyOfMocha(output: string, exitCode: number): Tally {
  // On a terminal, mocha colours its output.
  const plain = stripVTControlCharacters(output);
  const last = (word: string): number =>
    Number([...plain.matchAll(new RegExp(`^ {2}(\\d+) ${word}\\b`, 'gm'))].at(-1)?.[1] ?? 0);
  const tally = { passed: last('passing'), failed: last('failing'), skipped: last('pending') };
  return exitCode !== 0 && tally.failed === 0 ? { ...tally, failed: 1 } : tally;
}

/** What mocha's spec report says of each failed test, below its summary; empty when none failed. */
export function failuresOfMocha(output: string): string {
  const plain = stripVTControlCharacters(output);
  const summary = [...plain.matchAll(/^ {2}\d+ failing$/gm)].at(-1);
  return summary === undefined ? '' : plain.slice(summary.index + summary[0].length).trim();
}
