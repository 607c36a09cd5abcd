import type { CacheEntry } from './link-cache.ts';
import { Problem } from './problem.ts';

export type RedirectResult = 'found' | 'unknown' | 'expired' | 'deleted';

/** What becomes of a request for a link, at this moment. Expiry is judged here, at every redirect, never when a link is cached. */
export function judge(
  entry: CacheEntry,
  nowMs: number,
): { result: RedirectResult; location: string | undefined } {
  if (entry === 'unknown') return { result: 'unknown', location: undefined };
  if (entry.originalUrl === undefined) return { result: 'deleted', location: undefined };
  if (entry.expiresAtMs !== undefined && entry.expiresAtMs <= nowMs)
    return { result: 'expired', location: undefined };
  return { result: 'found', location: entry.originalUrl };
}

/** Nothing that is not a redirect is to be remembered by anybody on the way. */
const NO_STORE = { 'Cache-Control': 'no-store' };

export function unknownKey(): Problem {
  return new Problem(404, 'unknown-key', 'There is no such link.', { headers: NO_STORE });
}

export function goneKey(result: 'expired' | 'deleted'): Problem {
  const detail = result === 'expired' ? 'This link has expired.' : 'This link was deleted.';
  return new Problem(410, `link-${result}`, detail, { headers: NO_STORE });
}
