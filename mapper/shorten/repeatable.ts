import type { IncomingMessage } from 'node:http';
import { invalidFields } from '../http/problem.ts';
import type { AnswerHead } from '../http/answer-head.ts';

/* Requests for a link that may be sent several times and make one link. */

/** A request with `find_if_exists`, with an `Idempotency-Key`, or with both. */
export interface RepeatableRequest {
  /** As they were given, not checked. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Undefined: the link has no owner. */
  readonly userId: bigint | undefined;
  readonly idempotencyKey: string | undefined;
  /** The place of an item in a bulk, which has one key for all. */
  readonly index?: number;
}

/** What answers it. */
export interface RepeatableAnswer {
  /** Varying: request id, short URL, length of the body. */
  readonly head: AnswerHead;
  readonly shortUrl: string;
  /** ASCII. */
  readonly body: string;
  /**
   * `created`: this request has made the link. `found`: there was one. `replayed`: an answer is given again.
   */
  readonly result: 'created' | 'found' | 'replayed';
}

/** @throws Problem */
export type AnswerRepeatable = (request: RepeatableRequest) => Promise<RepeatableAnswer>;

/** The header, in small letters as Node writes it. The usual forms of requests do not have it. */
export const IDEMPOTENCY_KEY = 'idempotency-key';

/** Said of an answer that is given again. */
export const REPLAYED = { 'Idempotency-Replayed': 'true' };

const PRINTABLE = /^[ -~]{1,255}$/;

/**
 * The `Idempotency-Key` of a request, as it was sent; undefined: it has none.
 * @throws Problem 422 when it is given twice, or has another form
 */
export function idempotencyKeyOf({ headersDistinct }: IncomingMessage): string | undefined {
  const given = headersDistinct[IDEMPOTENCY_KEY];
  if (given === undefined) return undefined;
  const [key = ''] = given;
  if (given.length > 1) throw refuse('is given more than once');
  if (!PRINTABLE.test(key)) throw refuse('must be 1 to 255 printable ASCII characters');
  return key;
}

/** Whether a body asks for the link that there may be already. Any other value is checked with the fields. */
export function asksToFind(fields: Readonly<Record<string, unknown>>): boolean {
  return fields['find_if_exists'] === true;
}

function refuse(reason: string): Error {
  return invalidFields([{ field: 'Idempotency-Key', reason }]);
}
