import { monotonicMs } from '../../runtime/clock.ts';
import { asksToFind, type RepeatableRequest } from '../shorten/repeatable.ts';
import type { ShortenTally } from '../shorten/shorten-answer.ts';
import { overloaded, toProblem } from '../shorten/shorten-problems.ts';
import type { ParseShortenRequest, PrepareRequest } from '../shorten/shorten-request.ts';
import type { Shortener } from '../shorten/shortener.ts';

export interface LinkMakingOptions {
  readonly shortener: Shortener;
  readonly parse: ParseShortenRequest;
  readonly prepare: PrepareRequest;
  /** Makes a link for a request that may be repeated. @throws Problem */
  readonly makeRepeatable: (request: RepeatableRequest) => Promise<{
    readonly status: 200 | 201;
    readonly row: { readonly key: string };
    readonly isReplayed: boolean;
  }>;
  readonly shortens: ShortenTally;
  /** Origin of short URLs, without a slash at the end. */
  readonly publicUrl: string;
}

/** A link that was made, or that there was already. */
export interface NewLink {
  readonly key: string;
  readonly shortUrl: string;
  /** False: it is found, or was made by an earlier request. */
  readonly isNew: boolean;
}

/** Makes single links for pages, by the rules of `POST /urls`. */
export class LinkMaking {
  readonly #options: LinkMakingOptions;

  constructor(options: LinkMakingOptions) {
    this.#options = options;
  }

  /**
   * @param request with the body of `POST /urls`, of which nothing is checked. Who sends it was let in before
   * @throws Problem as `POST /urls`
   */
  async make(request: RepeatableRequest): Promise<NewLink> {
    const { shortens } = this.#options;
    const startedMs = monotonicMs();
    try {
      return await this.#make(request, startedMs);
    } catch (error) {
      const problem = toProblem(error);
      shortens.refused(problem, startedMs);
      throw problem;
    }
  }

  async #make(request: RepeatableRequest, startedMs: number): Promise<NewLink> {
    const { shortener, parse, prepare, makeRepeatable, shortens } = this.#options;
    if (shortener.isFull) throw overloaded();
    const { fields, userId, idempotencyKey } = request;
    if (idempotencyKey === undefined && !asksToFind(fields)) {
      const { key } = await shortener.shorten(await prepare(parse(fields, userId ?? null)));
      shortens.created(startedMs);
      return this.#toNew(key, true);
    }
    const { status, row, isReplayed } = await makeRepeatable(request);
    shortens.repeated(isReplayed ? 'replayed' : status === 201 ? 'created' : 'found', startedMs);
    return this.#toNew(row.key, status === 201 && !isReplayed);
  }

  #toNew(key: string, isNew: boolean): NewLink {
    return { key, shortUrl: `${this.#options.publicUrl}/${key}`, isNew };
  }
}
