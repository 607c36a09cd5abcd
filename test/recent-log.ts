import { pino } from 'pino';
import type { Log } from '../runtime/log.ts';

/** Lines of one test that a failure shows. */
const MOST_LINES = 20;
const lines: string[] = [];

/** A log for parts under test. Only a test that fails shows it: the last warnings since the test began. */
export const recentLog: Log = pino(
  {
    level: 'warn',
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { error: String },
  },
  {
    write: (line: string) => {
      lines.push(line.trimEnd());
      if (lines.length > MOST_LINES) lines.shift();
    },
  },
);

/** For mocha, before each test. */
export function forgetLog(): void {
  lines.length = 0;
}

/** For mocha, after each test: adds the lines to what it says of a failure. */
export function showLogOfFailure({ currentTest }: Mocha.Context): void {
  const error = currentTest?.err;
  if (currentTest?.state !== 'failed' || error === undefined || lines.length === 0) return;
  error.stack = `${error.stack ?? error.message}\n  warnings since the test began:\n  ${lines.join('\n  ')}`;
}
