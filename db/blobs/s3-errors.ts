import { codeOf } from '../../runtime/errors.ts';
import { StoreUnavailableError } from '../store-errors.ts';
import { BLOB_STORE, BlobRefusedError } from './blob-errors.ts';

/** What the client says of an answer, as far as we look at it. */
interface Answer {
  readonly name?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

const REASONS: Readonly<Record<string, string>> = {
  NoSuchBucket: 'its bucket is not there; keymill prepare makes it',
  QuotaExceeded: 'its quota is used up',
  InvalidAccessKeyId: 'it does not know our access key',
  SignatureDoesNotMatch: 'our secret is wrong',
  AccessDenied: 'we have no right to use its bucket',
  RequestTimeTooSkewed: 'our clock is wrong',
  EntityTooLarge: 'the blob is too large for it',
};

/** The HTTP status of an answer; undefined of a failure without an answer. */
export function statusOf(error: unknown): number | undefined {
  return (error as Answer | null)?.$metadata?.httpStatusCode;
}

export function isMissingBucket(error: unknown): boolean {
  return (error as Answer | null)?.name === 'NoSuchBucket';
}

/** The bytes of a request are not those of which it has the hash. */
export function isWrongHash(error: unknown): boolean {
  return ['BadDigest', 'InvalidDigest'].includes((error as Answer | null)?.name ?? '');
}

/** Whether the same request may succeed a moment later. */
export function isWorthRepeating(error: unknown): boolean {
  const status = statusOf(error);
  return status === undefined || status >= 500 || status === 429 || status === 408;
}

/**
 * A failure of the client as an error of the store. Only its name, code and status go on: the requests and
 * answers that the client attaches contain the access key and signatures.
 */
export function fromS3(error: unknown): StoreUnavailableError {
  if (error instanceof StoreUnavailableError) return error;
  const status = statusOf(error);
  if (status === undefined) return new StoreUnavailableError(BLOB_STORE, `no answer (${codeOf(error)})`);
  const name = ((error as Answer).name ?? 'unknown').slice(0, 80);
  const reason = `${REASONS[name] ?? 'it refuses'} (${status} ${name})`;
  // 507: a store that is full answers everything else.
  return isWorthRepeating(error) && status !== 507
    ? new StoreUnavailableError(BLOB_STORE, reason)
    : new BlobRefusedError(BLOB_STORE, reason);
}
