import { AnswerDeadline } from '../../runtime/answer-deadline.ts';
import { Problem } from '../http/problem.ts';

/** How often a client may send a credential that nobody knows. */
export interface CredentialLimit {
  /** How many further ones are looked up in this minute. */
  leftOf(client: string): number;
  /** What a client is told for which none is left. */
  refusalOf(client: string): Problem;
  /** Nobody knows the credential that the client has sent. */
  failed(client: string): void;
}

/**
 * Lookups of new credentials at the same time, for all clients together. The queue for the users database is
 * twice as long: sign-ins, and who was known before, find room in it.
 */
const MAX_READS = 128;
/** After a start all clients come at once. Each lookup takes a millisecond or two. */
const MAX_WAITING = 1_000;
const WAIT_MS = 1_000;

export interface ReadsUnderWay {
  /** Lookups that may still fail, of the client. */
  readonly left: number;
  /** Lookups under way. Each of them may fail. */
  readonly ofClient: number;
  readonly ofAll: number;
}

/** `busy`: not at this moment. */
type ReadVerdict = 'go' | 'busy' | 'refused';

/** Whether one more credential of a client may be looked up. */
export function judgeRead({ left, ofClient, ofAll }: ReadsUnderWay): ReadVerdict {
  if (left <= 0) return 'refused';
  return ofClient < left && ofAll < MAX_READS ? 'go' : 'busy';
}

interface Waiting {
  readonly client: string | undefined;
  readonly resolve: (verdict: ReadVerdict) => void;
}

/**
 * Bounds the lookups of credentials that this mapper has never seen to be good. Anybody can make them up, and
 * each would cost the users database a read.
 */
export class CredentialReads {
  readonly #limit: CredentialLimit;
  readonly #underWay = new Map<string, number>();
  /** In the order of their requests. */
  readonly #waiting = new Set<Waiting>();
  #ofAll = 0;

  constructor(limit: CredentialLimit) {
    this.#limit = limit;
  }

  /**
   * @param client undefined: it has no limits
   * @throws Problem 429, 503 when no place becomes free in time, and what `read` throws: 401 is a failure of
   *   the client
   */
  async run<T>(client: string | undefined, read: () => Promise<T>): Promise<T> {
    let verdict = this.#judge(client);
    if (verdict === 'busy') verdict = await this.#wait(client);
    if (verdict === 'busy') throw tooManyReads();
    if (verdict === 'refused') throw this.#limit.refusalOf(client ?? '');
    try {
      return await read();
    } catch (error) {
      if (client !== undefined && error instanceof Problem && error.code === 'bad-credential')
        this.#limit.failed(client);
      throw error;
    } finally {
      this.#add(client, -1);
      this.#letIn();
    }
  }

  /** Also takes the place of one that may go. */
  #judge(client: string | undefined): ReadVerdict {
    const left = client === undefined ? Number.POSITIVE_INFINITY : this.#limit.leftOf(client);
    const verdict = judgeRead({ left, ofClient: this.#countOf(client), ofAll: this.#ofAll });
    if (verdict === 'go') this.#add(client, 1);
    return verdict;
  }

  /** @returns `busy` when too many wait, or no place has become free in time */
  async #wait(client: string | undefined): Promise<ReadVerdict> {
    if (this.#waiting.size >= MAX_WAITING) return 'busy';
    const { promise, resolve } = Promise.withResolvers<ReadVerdict>();
    const waiting = { client, resolve };
    this.#waiting.add(waiting);
    const deadline = new AnswerDeadline(WAIT_MS, () => resolve('busy'));
    try {
      return await promise;
    } finally {
      deadline.clear();
      this.#waiting.delete(waiting);
    }
  }

  /** A place is free: those who wait take it in their order, as far as their clients may. */
  #letIn(): void {
    for (const waiting of this.#waiting) {
      if (this.#ofAll >= MAX_READS) return;
      const verdict = this.#judge(waiting.client);
      if (verdict === 'busy') continue;
      this.#waiting.delete(waiting);
      waiting.resolve(verdict);
    }
  }

  #countOf(client: string | undefined): number {
    return client === undefined ? 0 : (this.#underWay.get(client) ?? 0);
  }

  #add(client: string | undefined, change: 1 | -1): void {
    this.#ofAll += change;
    if (client === undefined) return;
    const count = this.#countOf(client) + change;
    if (count === 0) this.#underWay.delete(client);
    else this.#underWay.set(client, count);
  }
}

function tooManyReads(): Problem {
  return new Problem('overloaded', {
    detail: 'Too many keys and sessions are being looked up at this moment.',
  });
}
