import {
  createOwnRequestParser,
  createShortenRequestParser,
  type ShortenRequest,
} from '../shorten/shorten-request.ts';
import type { TargetRules } from '../shorten/target-url.ts';
import type { Fields } from '../reservations/reservation-hash.ts';

/** Checks the fields of a request. @throws Problem 422 */
export type ParseRequest = (fields: Fields, userId: bigint | undefined) => ShortenRequest;

/** Checks a request as any other new one. */
export function createParser(targets: TargetRules): ParseRequest {
  return parserAt(targets, Date.now);
}

/**
 * Checks a request that may be a repeated one: accepts what only the time or a list refuses, an expiry in the
 * past or a blocked domain.
 */
export function createFormParser(targets: TargetRules): ParseRequest {
  const { isBlockedHost: _, ...others } = targets;
  return parserAt(others, () => Number.NEGATIVE_INFINITY);
}

function parserAt(targets: TargetRules, nowMs: () => number): ParseRequest {
  const parse = createShortenRequestParser(targets, nowMs);
  const parseOwn = createOwnRequestParser(targets, nowMs);
  return (fields, userId) => (userId === undefined ? parse(fields) : parseOwn(fields, userId));
}
