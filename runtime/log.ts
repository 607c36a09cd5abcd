import { EventEmitter, once } from 'node:events';
import { pino, type Logger } from 'pino';
import { codeOf } from './errors.ts';

/** Structured log: one JSON line per event on stdout. `log.info({ shard, epoch }, 'reign began')`. Never pass a store's URL: it holds a password. Name the store. */
export type Log = Logger;

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * @param part the kind of process ("producer", "mapper") and `id` which one; both stand on every line
 */
export function createLog(part: string, id: string, level: LogLevel = 'info'): Log {
  return pino({
    level,
    base: { part, id, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { error: describeError },
    redact: { paths: ['password', 'secret', '*.password', '*.secret'], censor: '[redacted]' },
  });
}

/** For code that runs inside a command: the command itself reports what went wrong, on stderr. */
export const QUIET_LOG = createLog('keymill', 'keymill', 'silent');

/**
 * To be awaited right after a last line of level info, before the process exits: resolves when the lines are written, or the reader is
 * found gone; after `timeoutMs` at the latest. What is not written yet when a process exits, sonic-boom writes until it succeeds:
 * to a reader that is gone, for ever.
 */
export async function untilWritten(log: Log, timeoutMs: number): Promise<void> {
  const output: unknown = Reflect.get(log, pino.symbols.streamSym);
  if (!(output instanceof EventEmitter) || !log.isLevelEnabled('info')) return;
  await once(output, 'drain', { signal: AbortSignal.timeout(timeoutMs) }).catch(() => undefined);
}

function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error);
  return {
    name: error.name,
    code: codeOf(error),
    message: error.message,
    stack: error.stack,
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  };
}
