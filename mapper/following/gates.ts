import type { CacheEntry } from '../cache/link-cache.ts';
import type { Visit, VisitAnswer } from '../redirect/visit.ts';

/**
 * What must be asked before a redirect, because memory cannot say it. Both are called only for a link that
 * may be followed at this moment, never for HEAD, previews and browsers that look ahead. The password comes
 * first, and a visit is used up last. Each may reject with StoreUnavailableError or OutcomeUnknownError: then
 * nobody is redirected. `untilMs`, monotonic: when the visitor must be answered.
 */
export interface Gates {
  /** @returns the answer instead of the redirect; undefined: the password is right */
  checkPassword(visit: Visit, passwordHash: string, untilMs: number): Promise<VisitAnswer | undefined>;
  /**
   * @returns the answer instead of the redirect; undefined: there was a visit left, and it is used up now.
   *   `changed`: the link is no longer as the visit says. Nothing is used up, and the visit is judged again
   */
  takeVisit(visit: Visit, untilMs: number): Promise<VisitAnswer | 'changed' | undefined>;
  /** The link as it is known now, perhaps from memory: its owner may have changed it meanwhile. */
  findNow(key: string): Promise<CacheEntry>;
  /** The link as it is after a change that memory has not heard of. */
  findChanged(key: string): Promise<CacheEntry>;
}
