import { codeOf, messageOf } from '../../runtime/errors.ts';
import {
  DuplicateRowError,
  MismatchError,
  OutcomeUnknownError,
  QueueFullError,
  StoreRefusedError,
  StoreUnavailableError,
} from '../store-errors.ts';

/**
 * After a lost answer a read may be repeated. A write or a transaction may have happened or not.
 */
export type StatementKind = 'read' | 'write' | 'transaction';

/** An error of the driver. */
export interface DriverError extends Error {
  readonly code?: string;
  readonly errno?: number;
  /** The connection is lost with it. */
  readonly fatal?: boolean;
}

const LOCKED = new Set([1205, 1213, 3572]);
/**
 * Certainly not executed: too many connections, read-only (1036 is MariaDB's answer with `innodb_read_only`),
 * offline, disk or table full, interrupted before commit.
 */
const BUSY = new Set([1040, 1203, 1036, 1290, 1792, 1836, 3032, 1021, 1114, 1317, 3024, 1969, 4031]);
/** An error while writing or committing: the server does not report whether it succeeded. */
const UNREPORTED = new Set([1026, 1030, 1180]);
const MISSING = new Set([1049, 1146, 1054]);

/** The domain error for a statement that failed. */
export function translate(store: string, kind: StatementKind, error: DriverError): Error {
  const errno = error.errno ?? 0;
  if (errno === 1062) return new DuplicateRowError(store, error.message, error);
  if (MISSING.has(errno)) return missing(store, error);
  if (LOCKED.has(errno) || BUSY.has(errno)) return new StoreUnavailableError(store, error.message, error);
  if (UNREPORTED.has(errno) || isFatal(error)) return lostAnswer(store, kind, messageOf(error), error);
  return new StoreRefusedError(store, `${error.code}: ${error.message}`, error);
}

/** The driver has no code for it. */
const QUEUE_FULL = 'Queue limit reached.';

/** The domain error when there is no connection. */
export function translateConnect(store: string, error: DriverError): Error {
  if (error.errno !== undefined && MISSING.has(error.errno)) return missing(store, error);
  if (error.message === QUEUE_FULL)
    return new QueueFullError(store, 'too many statements wait for it already', error);
  return new StoreUnavailableError(store, messageOf(error) || codeOf(error), error);
}

/** The domain error when no answer came, or an answer without the outcome. */
export function lostAnswer(store: string, kind: StatementKind, reason: string, cause?: unknown): Error {
  if (kind === 'read') return new StoreUnavailableError(store, reason, cause);
  return new OutcomeUnknownError(store, reason, cause);
}

/** The connection is lost, or will be soon (1053: the server is shutting down). */
export function isFatal(error: DriverError): boolean {
  return (
    error.fatal === true ||
    error.errno === undefined ||
    error.errno <= 0 ||
    error.errno === 1053 ||
    error.errno === 1927
  );
}

function missing(store: string, error: Error): MismatchError {
  return new MismatchError(store, `${error.message} (has its schema been migrated?)`, error);
}
