import { OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import { UnknownRulesError } from '../../db/urls/link-rules.ts';
import { isUsable } from '../../db/urls/usable-target.ts';
import type { CachedLink, CacheEntry } from '../cache/link-cache.ts';
import { AnswerHead, VARIES } from '../http/answer-head.ts';
import { Problem, type ProblemKind } from '../http/problem.ts';

/** Why a link cannot be followed. */
export type Refusal = 'unknown' | 'expired' | 'deleted' | 'disabled' | 'blocked' | 'unusable';

/**
 * What became of a request for a link. `previewed`: the visitor has seen where it leads, or that it leads
 * somewhere. `too-long`: the target with the query of the request. `not-followed`: a browser or program
 * looked ahead, and the link has a password or a number of visits. `locked`: the visitor did not show its
 * password. `used-up`: the link was followed as often as it may be. `shown`: it is an image, and the visitor
 * got the page with it.
 */
export type RedirectResult =
  'found' | Refusal | 'previewed' | 'too-long' | 'not-followed' | 'locked' | 'used-up' | 'shown';

/** The 302. Varying: request id, target. */
export const FOUND = new AnswerHead(302, 'Found', [
  ['X-Request-Id', VARIES],
  ['Content-Length', '0'],
  ['Location', VARIES],
  // A browser that kept a redirect would miss edits, expiry and the count of clicks.
  ['Cache-Control', 'private, max-age=0'],
]);

/**
 * The result of a request for a plain link at this moment, or for one that does not exist. Expiry is checked
 * here, at every redirect, not when a link is cached.
 */
export function judge(entry: CacheEntry, nowMs: () => number): 'found' | Refusal {
  if (entry === 'unknown') return 'unknown';
  if (entry.longUrl === undefined) return 'deleted';
  if (entry.expiresAtMs !== undefined && entry.expiresAtMs <= nowMs()) return 'expired';
  return isUsable(entry.longUrl) ? 'found' : 'unusable';
}

/** Why nobody may follow a link at this moment, whatever it leads to. Also of links with rules. */
export function whyRefused(link: CachedLink, nowMs: number): Refusal | undefined {
  const { rules = {} } = link;
  // As if it were not there yet, whatever else is said about it.
  const isValid = rules.validFrom === undefined || Date.parse(rules.validFrom) <= nowMs;
  if (!isValid && link.longUrl !== undefined) return 'unknown';
  if (rules.blocked !== undefined) return 'blocked';
  if (rules.disabled === true) return 'disabled';
  const result = judge(link, () => nowMs);
  return result === 'found' ? undefined : result;
}

/** The target of a link that {@link judge} has found. */
export function locationOf(entry: CacheEntry): string {
  return (entry === 'unknown' ? undefined : entry.longUrl) ?? '';
}

const REFUSALS: Readonly<Record<Refusal, ProblemKind>> = {
  unknown: 'unknown-key',
  expired: 'link-expired',
  deleted: 'link-deleted',
  disabled: 'link-disabled',
  blocked: 'link-blocked',
  unusable: 'link-unusable',
};

/** The answer for a link that cannot be followed. */
export function refusalOf(result: Refusal): Problem {
  return new Problem(REFUSALS[result]);
}

/** The answer for a look-up that failed. */
export function lookUpFailure(error: unknown): unknown {
  if (error instanceof UnknownRulesError)
    return new Problem('store-down', {
      detail: 'This server is too old for this link. Another one may know it.',
      cause: error,
    });
  if (error instanceof OutcomeUnknownError) return new Problem('visit-unknown', { cause: error });
  if (!(error instanceof StoreUnavailableError)) return error;
  return new Problem('store-down', {
    detail: 'The store that holds this link cannot be reached just now.',
    cause: error,
  });
}
