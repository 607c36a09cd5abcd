import { StoreUnavailableError } from '../../db/store-errors.ts';
import type { CacheEntry } from '../cache/link-cache.ts';
import { AnswerHead, VARIES } from '../http/answer-head.ts';
import { Problem, type ProblemKind } from '../http/problem.ts';

export type RedirectResult = 'found' | 'unknown' | 'expired' | 'deleted';

/** The 302. What varies: request id, target. */
export const FOUND = new AnswerHead(302, 'Found', [
  ['X-Request-Id', VARIES],
  ['Content-Length', '0'],
  ['Location', VARIES],
  // A browser that kept a redirect would miss edits, expiry and the count of clicks.
  ['Cache-Control', 'private, max-age=0'],
]);

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

type Refusal = Exclude<RedirectResult, 'found'>;

const REFUSALS: Readonly<Record<Refusal, ProblemKind>> = {
  unknown: 'unknown-key',
  expired: 'link-expired',
  deleted: 'link-deleted',
};

/** The answer to a link that leads nowhere. */
export function refusalOf(result: Refusal): Problem {
  return new Problem(REFUSALS[result]);
}

/** What is told of a look-up that failed. */
export function lookUpFailure(error: unknown): unknown {
  if (!(error instanceof StoreUnavailableError)) return error;
  return new Problem('store-down', {
    detail: 'The store that holds this link cannot be reached just now.',
    cause: error,
  });
}
