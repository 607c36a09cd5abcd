import { DeadlineError } from '../../runtime/errors.ts';
import { withDeadline } from '../../runtime/retry.ts';
import type { CacheEntry } from '../cache/link-cache.ts';
import type { Gates } from '../following/gates.ts';
import { prepareFor, wantsPage } from '../http/problem-page.ts';
import { Problem } from '../http/problem.ts';
import type { RequestFacts } from '../http/request-facts.ts';
import type { Visit, VisitAnswer } from '../redirect/visit.ts';
import type { LimitedVisits } from '../visits/limited-visits.ts';
import { passwordForm } from './password-form.ts';
import type { PasswordGate } from './password-gate.ts';

export interface LinkGatesOptions {
  readonly passwords: PasswordGate;
  readonly visits: Pick<LimitedVisits, 'take'>;
  /** The client whose wrong passwords are counted. Undefined: it has no limits. */
  readonly guesserOf: (request: RequestFacts) => string | undefined;
  /** Finds a link, perhaps in memory. */
  readonly find: (key: string) => Promise<CacheEntry>;
  /** Reads a link on its primary. */
  readonly findAgain: (key: string) => Promise<CacheEntry>;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** For a client that is told to try again. */
const RETRY_AFTER_S = '2';

/** What stands between a visitor and the target of a link: its password, and the number of its visits. */
export class LinkGates implements Gates {
  readonly #options: LinkGatesOptions;

  constructor(options: LinkGatesOptions) {
    this.#options = options;
  }

  /** The password comes from the form of the link, or from a header. */
  async checkPassword(
    { key, request, typedPassword }: Visit,
    passwordHash: string,
    untilMs: number,
  ): Promise<VisitAnswer | undefined> {
    const { passwords, guesserOf, now } = this.#options;
    const password = typedPassword ?? decodeHeader(request.header('x-link-password'));
    try {
      const asking = { key, passwordHash, password, client: guesserOf(request) };
      // A guess that is given up goes on, and counts if it is wrong.
      await withDeadline('a password', untilMs - now(), async () => passwords.pass(asking));
      return undefined;
    } catch (error) {
      const problem = error instanceof DeadlineError ? tooSlow(error) : error;
      if (!(problem instanceof Problem) || problem.status === 500) throw problem;
      const isForm = problem.status === 401 && wantsPage(request.header('accept'));
      return { result: 'locked', answer: isForm ? passwordForm(problem) : prepareFor(request, problem) };
    }
  }

  /** @throws OutcomeUnknownError a visit may have been used up; StoreUnavailableError none was */
  async takeVisit(
    { key, link, request }: Visit,
    untilMs: number,
  ): Promise<VisitAnswer | 'changed' | undefined> {
    const isGone = (): boolean => request.peer.destroyed;
    const result = await this.#options.visits.take({ key, state: link.state ?? '', isGone, untilMs });
    if (result === 'given') return undefined;
    if (result === 'changed') return 'changed';
    return { result: 'used-up', answer: prepareFor(request, new Problem('link-used-up')) };
  }

  async findNow(key: string): Promise<CacheEntry> {
    return this.#options.find(key);
  }

  async findChanged(key: string): Promise<CacheEntry> {
    return this.#options.findAgain(key);
  }
}

function tooSlow(cause: DeadlineError): Problem {
  return new Problem('overloaded', {
    detail: 'The password could not be checked in time.',
    headers: { 'Retry-After': RETRY_AFTER_S },
    cause,
  });
}

/** Node takes the bytes of a header for Latin-1. Clients send a password in UTF-8. */
function decodeHeader(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(value, 'latin1'));
  } catch {
    return value;
  }
}
