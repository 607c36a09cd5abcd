import { prepareProblem, type PreparedAnswer } from '../http/plain-answer.ts';
import { preparePage, wantsPage } from '../http/problem-page.ts';
import type { RequestFacts } from '../http/request-facts.ts';
import { refusalOf, type Refusal } from './redirect-answer.ts';

/**
 * The answers for links that cannot be followed, made once: for programs the problem document, for browsers
 * a page.
 */
export class Refusals {
  readonly #problems = forEach((result) => prepareProblem(refusalOf(result)));
  readonly #pages = forEach((result) => preparePage(refusalOf(result)));
  readonly #unknownPage: PreparedAnswer;

  /**
   * @param notFoundUrl where browsers are sent that ask for a link that does not exist. Undefined: nowhere
   */
  constructor(notFoundUrl: string | undefined) {
    this.#unknownPage = notFoundUrl === undefined ? this.#pages.unknown : sendElsewhere(notFoundUrl);
  }

  of(result: Refusal, request: RequestFacts): PreparedAnswer {
    if (!wantsPage(request.header('accept'))) return this.#problems[result];
    return result === 'unknown' ? this.#unknownPage : this.#pages[result];
  }
}

function forEach(make: (result: Refusal) => PreparedAnswer): Readonly<Record<Refusal, PreparedAnswer>> {
  return {
    unknown: make('unknown'),
    expired: make('expired'),
    deleted: make('deleted'),
    disabled: make('disabled'),
    blocked: make('blocked'),
    unusable: make('unusable'),
  };
}

/** The link may exist a moment later, and programs get a 404 of the same address. */
function sendElsewhere(url: string): PreparedAnswer {
  const headers = ['X-Request-Id', '', 'Content-Length', '0', 'Location', url];
  headers.push('Cache-Control', 'no-store', 'Vary', 'Accept');
  return { status: 302, reason: 'Found', headers, body: '', isMiss: true };
}
