import type { Router } from '@koa/router';
import { StoreUnavailableError } from '../../db/store-errors.ts';
import { hasKeyShape } from '../alias.ts';
import type { FoundLink, LinkFinder } from '../link-finder.ts';
import type { MapperMetrics } from '../mapper-metrics.ts';
import { Problem, unavailable } from '../problem.ts';
import { goneKey, judge, unknownKey } from '../redirect-answer.ts';

export interface RedirectRouteOptions {
  readonly finder: LinkFinder;
  readonly metrics: MapperMetrics;
}

/** `GET` and `HEAD /{unique_id}`: follows a link. */
export function addRedirectRoute(router: Router, { finder, metrics }: RedirectRouteOptions): void {
  router.get('/:key', async (ctx) => {
    const key = ctx.params['key'] ?? '';
    // What cannot be a key is nobody's business further down.
    if (!hasKeyShape(key)) throw unknownKey();
    const stop = metrics.redirectSeconds.startTimer();
    try {
      const { entry, source } = await find(finder, key, metrics);
      const { result, location } = judge(entry, Date.now());
      metrics.redirects.inc({ result, source });
      if (result === 'unknown') throw unknownKey();
      if (location === undefined) throw goneKey(result === 'expired' ? 'expired' : 'deleted');
      ctx.body = null;
      ctx.status = 302;
      ctx.length = 0;
      ctx.set('Location', location);
      // A browser that keeps it would miss edits, expiry and the count.
      ctx.set('Cache-Control', 'private, max-age=0');
    } finally {
      stop();
    }
  });
  router.all('/:key', (ctx) => {
    if (!hasKeyShape(ctx.params['key'] ?? '')) throw unknownKey();
    throw new Problem(405, 'method-not-allowed', 'A link can only be followed.', {
      headers: { Allow: 'GET, HEAD' },
    });
  });
}

async function find(finder: LinkFinder, key: string, metrics: MapperMetrics): Promise<FoundLink> {
  try {
    return await finder.find(key);
  } catch (error) {
    metrics.redirects.inc({
      result: error instanceof StoreUnavailableError ? 'unavailable' : 'error',
      source: 'db',
    });
    if (!(error instanceof StoreUnavailableError)) throw error;
    throw unavailable('store-down', 'The store that holds this link cannot be reached just now.', 1, error);
  }
}
