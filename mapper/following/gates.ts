import type { Visit, VisitAnswer } from '../redirect/visit.ts';

/** A visit of a link with a password or a number of visits, by somebody who is about to be redirected. */
export interface GatedVisit extends Visit {
  /** What the visitor has typed into the form of the link. */
  readonly typedPassword?: string | undefined;
}

/**
 * What must be asked before a redirect, because memory cannot say it. Both are called only for a link that
 * may be followed at this moment, never for HEAD, previews and browsers that look ahead. The password comes
 * first, and a visit is used up last. Each may reject with StoreUnavailableError: then nobody is redirected.
 */
export interface Gates {
  /** @returns the answer instead of the redirect; undefined: the password is right */
  checkPassword(visit: GatedVisit, passwordHash: string): Promise<VisitAnswer | undefined>;
  /** @returns the answer instead of the redirect; undefined: there was a visit left, and it is used up now */
  takeVisit(visit: GatedVisit): Promise<VisitAnswer | undefined>;
}
