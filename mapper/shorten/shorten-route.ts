import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Router } from '@koa/router';
import { monotonicMs } from '../../runtime/clock.ts';
import { Problem } from '../http/problem.ts';
import { readJsonObject } from '../http/read-json.ts';
import { requestIdOf } from '../http/request-id.ts';
import { asksToFind, idempotencyKeyOf, type AnswerRepeatable } from './repeatable.ts';
import { CREATED, formatNewLink, type ShortenTally } from './shorten-answer.ts';
import type { ParseShortenRequest, PrepareRequest } from './shorten-request.ts';
import { overloaded } from './shorten-problems.ts';
import type { Shortener } from './shortener.ts';

export interface UrlsRouteOptions {
  readonly shortener: Shortener;
  readonly parse: ParseShortenRequest;
  readonly prepare: PrepareRequest;
  readonly answerRepeatable: AnswerRepeatable;
  /** Origin of short URLs, without a slash at the end. */
  readonly publicUrl: string;
  readonly shortens: ShortenTally;
  /**
   * The user who makes a link with this request. Counts it, and says in the response what is left.
   * @throws Problem 401, 403, 429, 503
   */
  readonly ownerOf: (request: IncomingMessage, response: ServerResponse) => Promise<bigint | undefined>;
}

const PATH = '/urls';
/** People type a slash. */
const PATH_WITH_SLASH = '/urls/';

/** `POST /urls`: makes a link. `FastShorten` answers usual requests before they reach this route. */
export function addUrlsRoute(router: Router, options: UrlsRouteOptions): void {
  const { shortener, parse, prepare, answerRepeatable, publicUrl, shortens, ownerOf } = options;
  router.post([PATH, PATH_WITH_SLASH], async (ctx) => {
    const startedMs = monotonicMs();
    try {
      // Before any work: a request that is refused must be cheap.
      if (shortener.isFull) throw overloaded();
      const owner = await ownerOf(ctx.req, ctx.res);
      const idempotencyKey = idempotencyKeyOf(ctx.req);
      const fields = await readJsonObject(ctx.req, ctx.res);
      if (idempotencyKey !== undefined || asksToFind(fields)) {
        const answer = await answerRepeatable({ fields, userId: owner, idempotencyKey });
        const { head, body, shortUrl, result } = answer;
        head.setOn(ctx, body, requestIdOf(ctx), shortUrl, String(body.length));
        shortens.repeated(result, startedMs);
        return;
      }
      const request = await prepare(parse(fields, owner ?? null));
      const link = await shortener.shorten(request);
      const shortUrl = `${publicUrl}/${link.key}`;
      const body = formatNewLink(link, shortUrl, request.isWhole === true);
      CREATED.setOn(ctx, body, requestIdOf(ctx), shortUrl, String(body.length));
      shortens.created(startedMs);
    } catch (error) {
      shortens.refused(error, startedMs);
      throw error;
    }
  });
  router.all(PATH, () => {
    throw new Problem('method-not-allowed', { headers: { Allow: 'GET, HEAD, POST' } });
  });
  router.all(PATH_WITH_SLASH, () => {
    throw new Problem('method-not-allowed', {
      detail: 'Only POST makes sense here.',
      headers: { Allow: 'POST' },
    });
  });
}
