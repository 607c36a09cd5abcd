import { EventEmitter, once } from 'node:events';
import { pino, type Logger } from 'pino';
import { codeOf } from './errors.ts';
import { hideCredentials } from './redact.ts';

/**
 * Structured log: one JSON line for each event, on stdout. `log.info({ shard, epoch }, 'reign began')`. Log
 * the name of a store and not its URL. A password in an address is hidden all the same.
 */
export type Log = Logger;

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * @param part the kind of process ("producer", "mapper"); every line contains it and `id`
 * @param id which one of its kind
 */
export function createLog(part: string, id: string, level: LogLevel = 'info'): Log {
  return pino({
    level,
    base: { part, id, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { error: describeError },
    hooks: { streamWrite: hideCredentials },
    redact: { paths: ['password', 'secret', '*.password', '*.secret'], censor: '[redacted]' },
  });
}

/** For code that runs inside a command, because the command itself reports errors on stderr. */
export const QUIET_LOG = createLog('keymill', 'keymill', 'silent');

/**
 * Waits until all lines are written, or the reader is gone, or `timeoutMs` have passed. Call it right after a
 * last line of level info, before the process exits: at exit, sonic-boom repeats the write of the rest,
 * forever if the reader is gone.
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
