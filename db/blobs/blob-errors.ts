import { KeymillError } from '../../runtime/errors.ts';
import { QueueFullError, StoreUnavailableError } from '../store-errors.ts';

/** What every blob store is called in errors, log lines and metrics. */
export const BLOB_STORE = 'blob-store';

/**
 * The store answers, and refuses this: it is full, we have no right, or it is not prepared. Other calls may
 * succeed, so it opens no circuit breaker.
 */
export class BlobRefusedError extends StoreUnavailableError {}

/**
 * A blob is there with fewer, more or other bytes than it should have. Repeating helps only when the store
 * lies now and then; else an operator has to put the right bytes there.
 */
export class DamagedBlobError extends BlobRefusedError {
  constructor(blob: string, reason: string) {
    super(BLOB_STORE, `${blob} is damaged: ${reason}`);
  }
}

/** The content has not as many bytes as it announced. Nothing was stored. A mistake of the caller. */
export class ContentLengthError extends KeymillError {
  constructor(announced: number, found: string) {
    super('CONTENT_LENGTH', `the content of a blob was announced with ${announced} bytes and has ${found}`);
  }
}

/** Whether the store itself failed, so that its circuit breaker must hear of it. */
export function isStoreAway(error: unknown): error is StoreUnavailableError {
  return (
    error instanceof StoreUnavailableError &&
    !(error instanceof QueueFullError) &&
    !(error instanceof BlobRefusedError)
  );
}
