import type { ImageFacts } from '../../db/urls/image-facts.ts';
import type { LinkRules } from '../../db/urls/link-rules.ts';
import type { CachedLink } from '../cache/link-cache.ts';
import { isUsable } from '../../db/urls/usable-target.ts';
import { whyRefused, type Refusal } from '../redirect/redirect-answer.ts';
import { forwardQuery } from './forward-query.ts';
import { targetFor } from './targets.ts';
import type { Visitor } from './visitor.ts';

/** 303 answers a form: it makes the browser forget method and body, in which there is the password. */
export type RedirectStatus = 301 | 302 | 303 | 307 | 308;

/** What a visit leads to, once the gates have let the visitor in. */
export type Outcome =
  | { readonly kind: 'refused'; readonly why: Refusal }
  | { readonly kind: 'redirect'; readonly status: RedirectStatus; readonly location: string }
  /** The target with the query is longer than proxies take. */
  | { readonly kind: 'too-long' }
  /** @param location undefined: it is not shown */
  | { readonly kind: 'preview'; readonly location: string | undefined }
  /** The link is a picture: it leads nowhere. */
  | { readonly kind: 'image'; readonly image: ImageFacts }
  /** The link is there, and nothing is said about its target. */
  | { readonly kind: 'silent' }
  /** A browser looks ahead. It may ask again when somebody follows the link. */
  | { readonly kind: 'not-now' };

export interface Verdict {
  readonly outcome: Outcome;
  /** Where an expired link leads: the visitor does not follow the link itself. */
  readonly isExpired: boolean;
  /** The hash of the password that the visitor must give. Undefined: none. */
  readonly passwordHash: string | undefined;
  /** The redirect uses up one of the visits of the link. */
  readonly takesVisit: boolean;
}

export interface JudgeOptions {
  readonly nowMs: number;
  /** The longest `Location` with a forwarded query. */
  readonly maxLocationBytes: number;
}

/**
 * What a visit of a link leads to. Pure. The order of the questions decides what strangers can learn:
 *
 * 1. Is there a link that may be followed at this moment?
 * 2. Of a link with a password or a number of visits, nobody who only looks gets the target: previews, bots
 *    that make previews, HEAD, and browsers that look ahead. None of them uses up a visit.
 * 3. The password comes before everything that depends on the target, such as its length.
 * 4. Last, a visit is used up: nothing can fail after it.
 */
export function judgeVisit(link: CachedLink, visitor: Visitor, options: JudgeOptions): Verdict {
  const { rules = {} } = link;
  const why = whyRefused(link, options.nowMs);
  if (why === 'expired' && rules.expiredUrl !== undefined && isUsable(rules.expiredUrl))
    return open(leadTo(rules.expiredUrl, 302, visitor), true);
  if (why !== undefined) return open({ kind: 'refused', why });
  const onlyLooks = lookOf(rules, visitor);
  if (onlyLooks !== undefined) return open(onlyLooks);
  return {
    outcome: outcomeFor(link, visitor, options),
    isExpired: false,
    passwordHash: rules.passwordHash,
    takesVisit: rules.maxVisits !== undefined,
  };
}

/** Whether the target of a link is only for those who may follow it. */
export function isGuarded({ passwordHash, maxVisits }: LinkRules): boolean {
  return passwordHash !== undefined || maxVisits !== undefined;
}

function open(outcome: Outcome, isExpired = false): Verdict {
  return { outcome, isExpired, passwordHash: undefined, takesVisit: false };
}

/** What somebody gets who only looks at a link whose target is hidden. */
function lookOf(rules: LinkRules, visitor: Visitor): Outcome | undefined {
  if (!isGuarded(rules)) return undefined;
  if (visitor.isPreview || visitor.isPreviewBot) return { kind: 'preview', location: undefined };
  if (visitor.method === 'HEAD') return { kind: 'silent' };
  return rules.maxVisits !== undefined && visitor.isPrefetch ? { kind: 'not-now' } : undefined;
}

function outcomeFor(link: CachedLink, visitor: Visitor, { maxLocationBytes }: JudgeOptions): Outcome {
  const { rules = {}, longUrl = '' } = link;
  if (rules.image !== undefined) return { kind: 'image', image: rules.image };
  const target = targetFor(rules.targets, visitor) ?? longUrl;
  if (!isUsable(target)) return { kind: 'refused', why: 'unusable' };
  const location = rules.forwardQuery === true ? forwardQuery(target, visitor.query) : target;
  if (location !== target) {
    if (location.length > maxLocationBytes) return { kind: 'too-long' };
    // The parsers refuse a request with such a query. A visit must not depend on that.
    if (!isUsable(location)) return { kind: 'refused', why: 'unusable' };
  }
  return leadTo(location, rules.redirectType ?? 302, visitor);
}

function leadTo(location: string, status: RedirectStatus, visitor: Visitor): Outcome {
  if (visitor.isPreview) return { kind: 'preview', location };
  return { kind: 'redirect', status: visitor.method === 'POST' ? 303 : status, location };
}
