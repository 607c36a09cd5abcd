import type { Router } from '@koa/router';
import { hasKeyShape } from '../../db/keyspace/alias.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { Problem } from '../http/problem.ts';
import { requestIdOf } from '../http/request-id.ts';
import type { FoundLink, LinkFinder } from './link-finder.ts';
import { FOUND, judge, locationOf, lookUpFailure, refusalOf } from './redirect-answer.ts';
import type { RedirectTally } from './redirect-tally.ts';

export interface RedirectRouteOptions {
  readonly finder: LinkFinder;
  readonly redirects: RedirectTally;
}

/**
 * `GET` and `HEAD /{unique_id}`: follows a link. `FastRedirect` answers usual requests before they reach this
 * route.
 */
export function addRedirectRoute(router: Router, { finder, redirects }: RedirectRouteOptions): void {
  router.get('/:key', async (ctx) => {
    const key = ctx.params['key'] ?? '';
    // Do not ask a store for a text that cannot be a key.
    if (!hasKeyShape(key)) throw refusalOf('unknown');
    const startedMs = monotonicMs();
    try {
      const { entry, source } = await find(finder, key, redirects);
      const result = judge(entry, Date.now);
      redirects.answered(key, ctx.method, result, source);
      if (result !== 'found') throw refusalOf(result);
      FOUND.setOn(ctx, undefined, requestIdOf(ctx), locationOf(entry));
    } finally {
      redirects.took(startedMs);
    }
  });
  router.all('/:key', (ctx) => {
    if (!hasKeyShape(ctx.params['key'] ?? '')) throw refusalOf('unknown');
    throw new Problem('method-not-allowed', {
      detail: 'A link can only be followed.',
      headers: { Allow: 'GET, HEAD' },
    });
  });
}

async function find(finder: LinkFinder, key: string, redirects: RedirectTally): Promise<FoundLink> {
  try {
    return await finder.find(key);
  } catch (error) {
    redirects.failed(error);
    throw lookUpFailure(error);
  }
}
