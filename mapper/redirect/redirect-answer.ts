import { StoreUnavailableError } from '../../db/store-errors.ts';
import type { CacheEntry } from '../cache/link-cache.ts';
import { Problem, unavailable } from '../http/problem.ts';

export type RedirectResult = 'found' | 'unknown' | 'expired' | 'deleted';

/** A browser that keeps a redirect would miss edits, expiry and the count. */
export const REDIRECT_CACHE_CONTROL = 'private, max-age=0';

/** What becomes of a request for a link, at this moment. Expiry is judged here, at every redirect, never when a link is cached. */
export function judge(entry: CacheEntry, nowMs: () => number): RedirectResult {
  if (entry === 'unknown') return 'unknown';
  if (entry.originalUrl === undefined) return 'deleted';
  if (entry.expiresAtMs !== undefined && entry.expiresAtMs <= nowMs()) return 'expired';
  return 'found';
}

/** Where a link that was judged `found` leads. */
export function locationOf(entry: CacheEntry): string {
  return (entry === 'unknown' ? undefined : entry.originalUrl) ?? '';
}

/** Nothing that is not a redirect is to be remembered by anybody on the way. */
const NO_STORE = { 'Cache-Control': 'no-store' };

type Refusal = Exclude<RedirectResult, 'found'>;

const REFUSALS: Readonly<Record<Refusal, readonly [404 | 410, string, string]>> = {
  unknown: [404, 'unknown-key', 'There is no such link.'],
  expired: [410, 'link-expired', 'This link has expired.'],
  deleted: [410, 'link-deleted', 'This link was deleted.'],
};

/** The answer to a link that leads nowhere. */
export function refusalOf(result: Refusal): Problem {
  return new Problem(...REFUSALS[result], { headers: NO_STORE });
}

/** What is told of a look-up that failed. */
export function lookUpFailure(error: unknown): unknown {
  if (!(error instanceof StoreUnavailableError)) return error;
  return unavailable('store-down', 'The store that holds this link cannot be reached just now.', 1, error);
}
