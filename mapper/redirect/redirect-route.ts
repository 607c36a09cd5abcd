import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Router, RouterContext } from '@koa/router';
import { hasKeyShape } from '../../db/keyspace/alias.ts';
import { findTypedKey } from '../../db/keyspace/typed-key.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { Problem } from '../http/problem.ts';
import { requestIdOf } from '../http/request-id.ts';
import type { FoundLink, LinkFinder } from './link-finder.ts';
import { FOUND, judge, locationOf, lookUpFailure, refusalOf } from './redirect-answer.ts';
import { isPrefetch } from './prefetch.ts';
import type { RedirectTally } from './redirect-tally.ts';

export interface RedirectRouteOptions {
  readonly finder: LinkFinder;
  readonly redirects: RedirectTally;
  /** Clients who ask for many links that do not exist. */
  readonly limits: FollowLimits;
}

interface FollowLimits {
  /** Called before anything is looked up. @throws Problem 429 */
  admit(request: IncomingMessage, response: ServerResponse): void;
  /** There is no link of this name. */
  missed(request: IncomingMessage): void;
}

/** A path that `/:key` does not match, because it contains another slash. */
const WITH_SLASH = /^\/[^/]+\//;

/**
 * `GET` and `HEAD /{unique_id}`: follows a link, also one that was typed with the text around it.
 * `FastRedirect` answers usual requests before they reach this route.
 */
export function addRedirectRoute(router: Router, options: RedirectRouteOptions): void {
  router.get('/:key', async (ctx) => follow(ctx, findKey(ctx), options));
  router.all('/:key', (ctx) => refuseMethod(findKey(ctx)));
  router.get(WITH_SLASH, async (ctx, next) => {
    const key = findKey(ctx);
    return key === undefined ? next() : follow(ctx, key, options);
  });
  router.all(WITH_SLASH, async (ctx, next) => {
    const key = findKey(ctx);
    return key === undefined ? next() : refuseMethod(key);
  });
}

/** The key that the path names: the whole of it, or else its beginning. Undefined: no link can be meant. */
function findKey(ctx: RouterContext): string | undefined {
  const given = ctx.params['key'] ?? '';
  if (hasKeyShape(given)) return given;
  const typed = findTypedKey(ctx.path.slice(1));
  return typed !== undefined && hasKeyShape(typed) ? typed : undefined;
}

async function follow(
  ctx: RouterContext,
  key: string | undefined,
  { finder, redirects, limits }: RedirectRouteOptions,
): Promise<void> {
  try {
    limits.admit(ctx.req, ctx.res);
  } catch (error) {
    redirects.limited();
    throw error;
  }
  // Do not ask a store for a text that cannot be a key.
  if (key === undefined) {
    limits.missed(ctx.req);
    throw refusalOf('unknown');
  }
  const startedMs = monotonicMs();
  try {
    const { entry, source } = await find(finder, key, redirects);
    const result = judge(entry, Date.now);
    const isFollowing = ctx.method === 'GET' && !isPrefetch(ctx.req.headers);
    redirects.answered(key, isFollowing, result, source);
    if (result === 'unknown') limits.missed(ctx.req);
    if (result !== 'found') throw refusalOf(result);
    FOUND.setOn(ctx, undefined, requestIdOf(ctx), locationOf(entry));
  } finally {
    redirects.took(startedMs);
  }
}

function refuseMethod(key: string | undefined): never {
  if (key === undefined) throw refusalOf('unknown');
  throw new Problem('method-not-allowed', {
    detail: 'A link can only be followed.',
    headers: { Allow: 'GET, HEAD' },
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
