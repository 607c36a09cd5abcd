import type { CachedLink } from '../cache/link-cache.ts';
import type { PreparedAnswer } from '../http/plain-answer.ts';
import type { RequestFacts } from '../http/request-facts.ts';
import type { RedirectResult } from './redirect-answer.ts';

/**
 * A request for a link that is more than a redirect to its target: the link has rules, or it is a preview.
 */
export interface Visit {
  readonly key: string;
  readonly link: CachedLink;
  /** `/{key}+`: the visitor asks where the link leads. */
  readonly isPreview: boolean;
  readonly request: RequestFacts;
  /** What the visitor has typed into the form of the link. */
  readonly typedPassword?: string | undefined;
}

export interface VisitAnswer {
  readonly answer: PreparedAnswer;
  readonly result: RedirectResult;
}

/**
 * Answers visits, in `mapper/following`. A promise only where a store or another process must be asked.
 * Throws, or rejects with, StoreUnavailableError, or a fault of ours.
 */
export interface Visits {
  answer(visit: Visit): VisitAnswer | Promise<VisitAnswer>;
}
