import { createShortenRequestParser, type ParseShortenRequest } from '../shorten/shorten-request.ts';
import type { TargetRules } from '../shorten/target-url.ts';

/**
 * Checks a request that may be a repeated one: accepts what only the time or a list refuses, an expiry in the
 * past or a blocked domain.
 */
export function createFormParser(targets: TargetRules): ParseShortenRequest {
  const { isBlockedHost: _, ...others } = targets;
  return createShortenRequestParser(others, () => Number.NEGATIVE_INFINITY);
}
