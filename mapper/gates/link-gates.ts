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
}

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
  ): Promise<VisitAnswer | undefined> {
    const { passwords, guesserOf } = this.#options;
    const password = typedPassword ?? decodeHeader(request.header('x-link-password'));
    try {
      await passwords.pass({ key, passwordHash, password, client: guesserOf(request) });
      return undefined;
    } catch (error) {
      if (!(error instanceof Problem) || error.status === 500) throw error;
      const isForm = error.status === 401 && wantsPage(request.header('accept'));
      return { result: 'locked', answer: isForm ? passwordForm(error) : prepareFor(request, error) };
    }
  }

  /** @throws OutcomeUnknownError a visit may have been used up; StoreUnavailableError none was */
  async takeVisit({ key, link, request }: Visit): Promise<VisitAnswer | 'changed' | undefined> {
    const isGone = (): boolean => request.peer.destroyed;
    const result = await this.#options.visits.take({ key, state: link.state ?? '', isGone });
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

/** Node takes the bytes of a header for Latin-1. Clients send a password in UTF-8. */
function decodeHeader(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(value, 'latin1'));
  } catch {
    return value;
  }
}
