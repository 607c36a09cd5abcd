import type { Router } from '@koa/router';
import { monotonicMs } from '../../runtime/clock.ts';
import type { MapperMetrics } from '../mapper-metrics.ts';
import { Problem } from '../problem.ts';
import { readJsonObject } from '../read-json.ts';
import type { Shortener } from '../shorten.ts';
import type { ParseShortenRequest } from '../shorten-request.ts';

export interface UrlsRouteOptions {
  readonly shortener: Shortener;
  readonly parse: ParseShortenRequest;
  /** Where short links begin, without a slash at the end. */
  readonly publicUrl: () => string;
  readonly metrics: MapperMetrics;
}

/** `POST /urls`: makes a link. */
export function addUrlsRoute(router: Router, options: UrlsRouteOptions): void {
  const { shortener, parse, publicUrl, metrics } = options;
  router.post('/urls', async (ctx) => {
    const startedMs = monotonicMs();
    let result = 'error';
    try {
      const request = parse(await readJsonObject(ctx.req, ctx.res));
      const link = await shortener.shorten(request);
      const shortUrl = `${publicUrl()}/${link.key}`;
      ctx.status = 201;
      ctx.set('Location', shortUrl);
      ctx.set('Cache-Control', 'no-store');
      ctx.body = {
        short_url: shortUrl,
        unique_id: link.key,
        long_url: link.longUrl,
        created_at: link.createdAt.toISOString(),
        expiration_date: link.expiresAt?.toISOString() ?? null,
      };
      result = 'created';
    } catch (error) {
      result = resultOf(error);
      throw error;
    } finally {
      metrics.shortenSeconds.observe((monotonicMs() - startedMs) / 1_000);
      metrics.shortens.series({ result }).count += 1;
    }
  });
  router.all('/urls', () => {
    throw new Problem(405, 'method-not-allowed', 'Only POST makes sense here.', {
      headers: { Allow: 'POST' },
    });
  });
}

function resultOf(error: unknown): string {
  if (!(error instanceof Problem)) return 'error';
  if (error.status === 503)
    return error.code === 'no-keys' ? 'no_keys' : error.code === 'overloaded' ? 'overloaded' : 'unavailable';
  return error.status === 409 ? 'taken' : 'invalid';
}
